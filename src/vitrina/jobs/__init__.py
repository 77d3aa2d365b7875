"""The jobs: plain functions behind the command line, the KFP components and Python.

``from vitrina.jobs import train`` gives the function. Job modules import heavy libraries inside their functions only.
"""

from vitrina.jobs.compare_prompts import compare_prompts
from vitrina.jobs.doctor import doctor
from vitrina.jobs.drift import drift
from vitrina.jobs.embed import embed, plan_embedding
from vitrina.jobs.evaluate import evaluate
from vitrina.jobs.evaluate_prompts import evaluate_prompts
from vitrina.jobs.feedback import feedback
from vitrina.jobs.index_add import index_add
from vitrina.jobs.index_build import index_build
from vitrina.jobs.index_remove import index_remove
from vitrina.jobs.index_search import index_search
from vitrina.jobs.ingest import ingest
from vitrina.jobs.kept_events import kept_events
from vitrina.jobs.label import label
from vitrina.jobs.labelled import labelled
from vitrina.jobs.llm_benchmark import llm_benchmark
from vitrina.jobs.llm_manifests import llm_manifests
from vitrina.jobs.llm_plan import llm_plan
from vitrina.jobs.llm_tiny import llm_tiny
from vitrina.jobs.llm_verify import llm_verify
from vitrina.jobs.merge import merge
from vitrina.jobs.package import package
from vitrina.jobs.predict import predict
from vitrina.jobs.prepare import prepare
from vitrina.jobs.promote import promote
from vitrina.jobs.prompts import list_prompts, promote_prompt, register_prompt, rollback_prompt
from vitrina.jobs.register import register
from vitrina.jobs.resources import resources
from vitrina.jobs.rollback import rollback
from vitrina.jobs.sample import sample
from vitrina.jobs.serve import serve
from vitrina.jobs.switch import switch
from vitrina.jobs.train import train
from vitrina.jobs.tune import tune
from vitrina.jobs.validate import validate
from vitrina.jobs.work import work

__all__ = [
    "compare_prompts",
    "doctor",
    "drift",
    "embed",
    "evaluate",
    "evaluate_prompts",
    "feedback",
    "index_add",
    "index_build",
    "index_remove",
    "index_search",
    "ingest",
    "kept_events",
    "label",
    "labelled",
    "list_prompts",
    "llm_benchmark",
    "llm_manifests",
    "llm_plan",
    "llm_tiny",
    "llm_verify",
    "merge",
    "package",
    "plan_embedding",
    "predict",
    "prepare",
    "promote",
    "promote_prompt",
    "register",
    "register_prompt",
    "resources",
    "rollback",
    "rollback_prompt",
    "sample",
    "serve",
    "switch",
    "train",
    "tune",
    "validate",
    "work",
]
