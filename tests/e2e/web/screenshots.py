"""The pictures of docs/dashboard.md: `python -m tests.e2e.web.screenshots`, which writes docs/images."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from tests.e2e.web.stage import ADMIN, stage
from tests.support.browser import CHROMIUM

HERE = Path(__file__).parent
IMAGES = HERE.parents[2] / "docs" / "images"


async def main() -> int:
    node = shutil.which("node")
    if node is None or CHROMIUM is None:
        sys.stderr.write("node or chromium is not installed\n")
        return 1
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        async with stage(Path(directory), 900, pause_s=0.25) as team:
            await team.fail("home")
            await team.busy()
            process = await asyncio.create_subprocess_exec(
                node, "pages.mjs", team.gateway.url, ADMIN, "pictures", CHROMIUM, str(IMAGES), cwd=HERE
            )
            return await process.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
