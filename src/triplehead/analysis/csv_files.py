"""CSV files that were written here, read again."""

import io
from pathlib import Path

import pandas as pd

from triplehead.errors import InputError


def read_columns(
    path: Path, columns: tuple[str, ...], numbers: tuple[str, ...], missing: str, broken: str
) -> pd.DataFrame:
    """Texts as texts, empty ones too; `numbers` as floats with NaN where there is none. Raises InputError for a file
    that is `missing`, that is `broken` (words for either), or that has other columns."""
    try:
        text = path.read_text(encoding="utf-8")
        kinds: dict[str, type] = dict.fromkeys(columns, str)
        kinds |= dict.fromkeys(numbers, float) | {name: int for name in ("n", "n_needed") if name in columns}
        frame = pd.read_csv(io.StringIO(text), dtype=kinds, keep_default_na=False, na_values=dict.fromkeys(numbers, ""))
    except FileNotFoundError:
        raise InputError(path, missing) from None
    except (OSError, ValueError, OverflowError) as error:
        raise InputError(path, f"{broken} ({error})") from None
    if tuple(frame.columns) != columns:
        raise InputError(path, f"expected the columns {','.join(columns)}")
    return frame
