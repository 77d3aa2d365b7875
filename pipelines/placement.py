"""Where the tasks of a pipeline run on a cluster: image, volume, settings, and what a preset asks for."""

from __future__ import annotations

from dataclasses import dataclass, field

from kfp import kubernetes
from kfp.dsl import PipelineTask

from components._base import IMAGE
from vitrina.jobs.resources import ResourcesResult, resources

DATA_CLAIM, DATA_FOLDER = "vitrina-data", "/data"
SETTINGS_MAP, CREDENTIALS = "vitrina-settings", "vitrina-credentials"
SETTINGS = ("VITRINA_TRACKING_URI", "MLFLOW_S3_ENDPOINT_URL")
SECRETS = (
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
)


@dataclass(frozen=True)
class Placement:
    """How a pipeline is compiled; on one machine, `kfp.local` ignores it.

    Attributes:
        image: the image of every task.
        preset: the default value of the pipeline's `preset` parameter.
        training: what the training task gets.
    """

    image: str = IMAGE
    preset: str = "base"
    training: ResourcesResult = field(default_factory=resources)

    def light(self, task: PipelineTask) -> PipelineTask:
        """A task of any kind but training: the defaults, the shared volume, the registry's address."""
        task.set_container_image(self.image)
        task.set_caching_options(False)  # the cache key knows nothing of the library's version
        task.set_cpu_request("1").set_memory_request("2Gi").set_memory_limit("4Gi")
        kubernetes.mount_pvc(task, pvc_name=DATA_CLAIM, mount_path=DATA_FOLDER)
        kubernetes.use_config_map_as_env(task, SETTINGS_MAP, {name: name for name in SETTINGS}, optional=True)
        kubernetes.use_secret_as_env(task, CREDENTIALS, {name: name for name in SECRETS}, optional=True)
        return task

    def heavy(self, task: PipelineTask) -> PipelineTask:
        """The training task: as `light`, with the preset's resources."""
        asked = self.training.resources
        self.light(task)
        task.set_cpu_request(asked.cpu).set_cpu_limit(asked.cpu)
        task.set_memory_request(asked.memory).set_memory_limit(asked.memory)
        if asked.gpu:
            task.set_accelerator_type(asked.accelerator).set_accelerator_limit(asked.gpu)
        if asked.shared_memory:
            kubernetes.empty_dir_mount(task, "shm", "/dev/shm", "Memory", asked.shared_memory)
        for label, value in asked.node_selector.items():
            kubernetes.add_node_selector(task, label, value)
        for toleration in asked.tolerations:
            given = {name: value for name, value in toleration.model_dump().items() if value}
            kubernetes.add_toleration(task, **given)
        for variable, secret in asked.secrets.items():
            kubernetes.use_secret_as_env(task, secret.secret, {secret.key: variable})
        if asked.timeout:
            kubernetes.set_timeout(task, asked.timeout)
        return task
