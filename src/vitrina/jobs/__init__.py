"""The jobs: plain functions behind the command line, the KFP components and Python.

``from vitrina.jobs import train`` gives the function. Job modules import heavy libraries inside their functions only.
"""

__all__: list[str] = []
