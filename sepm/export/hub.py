"""Run folders on the Hugging Face hub, in a repository of a data set."""

from collections.abc import Sequence

from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled

from sepm.analysis.stored_run import StoredRun
from sepm.errors import InputError, RunError

NOT_SENT = [".*", "*.tmp"]


def push_runs(runs: Sequence[StoredRun], repository: str, *, public: bool) -> str:
    """The address of a data set on the hub that got the runs' folders, each at its own path.

    A repository that is not there is made, private unless asked otherwise. Images are not sent.

    Args:
        runs: have been read, so that every row was checked.
        repository: such as "user/sepm-results".
        public: whether a repository that is made can be seen by everybody.

    Raises:
        InputError: the repository's name is none, or this process is offline.
        RunError: the hub refused or could not be reached.
    """
    hub = HfApi()
    try:
        made = hub.create_repo(repository, repo_type="dataset", private=not public, exist_ok=True)
        for run in runs:
            path = f"{run.dataset}/{run.model}/{run.name}"
            hub.upload_folder(
                repo_id=made.repo_id,
                repo_type="dataset",
                folder_path=run.folder,
                path_in_repo=path,
                ignore_patterns=NOT_SENT,
                commit_message=f"Run {path}: {run.summary['correct']} of {run.summary['n']} right",
            )
    except (HFValidationError, OfflineModeIsEnabled) as error:
        raise InputError(f"nothing was pushed to '{repository}': {error}") from error
    except (HfHubHTTPError, OSError) as error:
        raise RunError(
            f"the hub did not take the runs for '{repository}': {error}. Who may write there: "
            "`hf auth login`, or HF_TOKEN; the same command goes on from there"
        ) from error
    return str(made)
