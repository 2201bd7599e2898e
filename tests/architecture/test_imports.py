from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports


def test_imports_point_down_and_the_core_does_no_io() -> None:
    assert lint_imports(no_cache=True) == EXIT_STATUS_SUCCESS
