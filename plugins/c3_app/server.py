"""Serve the page, on this machine by default, without anything from elsewhere."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from c3_app.page import CSS, build_page, theme
from c3_app.trial import Trial
from c3core.errors import C3Error

LARGEST = "500mb"  # file that is taken
UPLOADS = "GRADIO_TEMP_DIR"


@contextmanager
def served(trial: Trial, host: str = "127.0.0.1", port: int = 7860) -> Iterator[str]:
    """Serve the page of a trial, and yield its address. At the end the files that were uploaded are removed."""
    before = os.environ.get(UPLOADS)
    with TemporaryDirectory(prefix="c3-app-", dir=before) as uploads:
        os.environ[UPLOADS] = uploads
        page = None
        try:
            page = build_page(trial)
            try:
                _, address, _ = page.launch(
                    server_name=host,
                    server_port=port,
                    share=False,
                    prevent_thread_lock=True,
                    quiet=True,
                    inbrowser=False,
                    theme=theme(),
                    css=CSS,
                    footer_links=[],
                    run_history=False,
                    enable_monitoring=False,
                    mcp_server=False,
                    ssr_mode=False,
                    max_file_size=LARGEST,
                )
            except OSError as error:
                raise C3Error(f"cannot listen at {host}, port {port}: {error}. Give another --port.") from None
            yield address
        finally:
            if page is not None:
                page.close(verbose=False)
            if before is None:
                os.environ.pop(UPLOADS)
            else:
                os.environ[UPLOADS] = before
