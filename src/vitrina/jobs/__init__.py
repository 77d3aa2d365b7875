"""The jobs: plain functions behind the command line, the KFP components and Python.

``from vitrina.jobs import train`` gives the function. Job modules import heavy libraries inside their functions only.
"""

from vitrina.jobs.merge import merge
from vitrina.jobs.promote import promote
from vitrina.jobs.register import register
from vitrina.jobs.resources import resources
from vitrina.jobs.rollback import rollback

__all__ = ["merge", "promote", "register", "resources", "rollback"]
