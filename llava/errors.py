"""What can be wrong with a checkpoint."""


class CheckpointError(ValueError):
    """A checkpoint is missing, incomplete or of another family; the message says what to do."""
