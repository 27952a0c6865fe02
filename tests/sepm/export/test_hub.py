"""Runs pushed to the hub, over a stand-in of its client that has the client's signatures."""

from collections.abc import Callable
from unittest.mock import Mock, create_autospec

import pytest
from huggingface_hub import HfApi, RepoUrl
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

from sepm.analysis.stored_run import StoredRun
from sepm.errors import InputError, RunError
from sepm.export.hub import push_runs

ADDRESS = "https://huggingface.co/datasets/me/results"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Mock:
    client = create_autospec(HfApi, instance=True)
    client.create_repo.return_value = RepoUrl(ADDRESS)
    monkeypatch.setattr("sepm.export.hub.HfApi", lambda: client)
    return client


def refused() -> HfHubHTTPError:
    return HfHubHTTPError("403 Forbidden", response=Mock(status_code=403, headers={}))


@pytest.mark.parametrize("public", [False, True])
def test_each_runs_folder_goes_to_its_own_path_of_one_data_set(
    hub: Mock, zero_shot: StoredRun, sepm: StoredRun, public: bool
) -> None:
    assert push_runs([zero_shot, sepm], "results", public=public) == ADDRESS
    hub.create_repo.assert_called_once_with(
        "results", repo_type="dataset", private=not public, exist_ok=True
    )
    sent = [call.kwargs for call in hub.upload_folder.call_args_list]
    assert [s["folder_path"] for s in sent] == [zero_shot.folder, sepm.folder]
    assert [s["path_in_repo"] for s in sent] == [
        "emoset/llava-v1.5-7b/zero-shot",
        "emoset/llava-v1.5-7b/sepm",
    ]
    assert {s["repo_id"] for s in sent} == {"me/results"}
    assert {s["repo_type"] for s in sent} == {"dataset"}
    assert sent[0]["commit_message"].endswith("2 of 4 right")


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (refused, RunError, r"the hub did not take the runs for 'results': 403(.|\n)*HF_TOKEN"),
        (lambda: ConnectionError("no route"), RunError, "no route"),
        (lambda: OfflineModeIsEnabled("offline"), InputError, "nothing was pushed to 'results'"),
    ],
)
def test_what_the_hub_refuses_is_told(
    hub: Mock,
    sepm: StoredRun,
    error: Callable[[], Exception],
    kind: type[Exception],
    said: str,
) -> None:
    hub.create_repo.side_effect = error()
    with pytest.raises(kind, match=said):
        push_runs([sepm], "results", public=False)
    hub.upload_folder.assert_not_called()


def test_a_name_that_is_none_is_told(sepm: StoredRun) -> None:
    with pytest.raises(InputError, match="nothing was pushed to 'a/b/c'"):
        push_runs([sepm], "a/b/c", public=False)
