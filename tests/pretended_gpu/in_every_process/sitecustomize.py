"""Python runs this as it starts where PYTHONPATH names the folder: a GPU for the whole process."""

from tests.pretended_gpu import pretended_gpu

GPU = pretended_gpu()
GPU.__enter__()
