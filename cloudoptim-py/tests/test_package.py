"""The package as a whole: what it exports, its version, its types."""

import importlib.metadata
import importlib.resources
import pickle
import subprocess
import sys

import pytest

import cloudoptim as co


def test_the_version_is_the_one_that_the_wheel_states() -> None:
    assert co.__version__ == importlib.metadata.version("cloudoptim")


def test_every_public_name_says_what_it_is() -> None:
    for name in co.__all__:
        value = getattr(co, name)
        if isinstance(value, type):
            assert value.__doc__, name
            assert value.__module__ == "cloudoptim", name


def test_the_wheel_carries_its_types() -> None:
    files = importlib.resources.files(co)
    assert files.joinpath("py.typed").is_file()
    assert "class CloudOptimError" in files.joinpath("_cloudoptim.pyi").read_text()


def test_importing_it_does_not_import_pandas_numpy_or_pyarrow() -> None:
    script = (
        "import sys, cloudoptim; "
        "print(sorted({'pandas', 'polars', 'numpy', 'pyarrow'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], check=True, capture_output=True, text=True
    )
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("error", "base"),
    [
        (co.CloudOptimError, Exception),
        (co.ConfigError, co.CloudOptimError),
        (co.ProviderError, co.CloudOptimError),
        (co.ThrottledError, co.ProviderError),
        (co.AccessDeniedError, co.ProviderError),
    ],
)
def test_the_exceptions_form_the_promised_tree(
    error: type[Exception], base: type[Exception]
) -> None:
    assert error.__bases__ == (base,)
    assert pickle.loads(pickle.dumps(error("why"))).args == ("why",)
