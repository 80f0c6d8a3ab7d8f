"""Whole sessions with the built `foretoken serve`, driven by pygls, a client that is not written here. It decodes what
the server sends into lsprotocol's types, made from the protocol's own model: a member of another shape is an error.
`make test-client` runs this; the binary's path is in FORETOKEN_BINARY. Needs git.
"""

import asyncio
import os
import pathlib
import subprocess
import tempfile
import unittest

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcMethodNotFound, JsonRpcRequestCancelled
from pygls.lsp.client import LanguageClient

BINARY = os.environ["FORETOKEN_BINARY"]
# Only a hang takes so long.
TIMEOUT = 120

SHAPES = '''"""Shapes of the drawing board."""


class Rectangle:
    def __init__(self, left, top, width, height):
        self.left = left
        self.top = top
        self.width = width
        self.height = height

    def label(self):
        return f"{self.width} x {self.height} at {self.left}, {self.top}"


def intersect_rectangles(first, second):
    """The rectangle that both cover, or None."""
    left = max(first.left, second.left)
    top = max(first.top, second.top)
    return Rectangle(left, top, first.width - left, first.height - top)
'''
REPORT = '''import shapes


def overlap_report(first, second):
    """Describe the part that two rectangles share."""
    print(first.label(), second.label())
    shared = shapes.intersect_
    print(shared.label())
    return shared


def describe(shape):
    """What a shape is, in words."""
    '''
CALL = types.Position(line=6, character=30)
OPEN_PLACE = types.Position(line=12, character=4)


class Client(LanguageClient):
    """Keeps what went wrong and what the server reported."""

    def __init__(self):
        super().__init__("typing-editor", "1.0")
        self.faults, self.messages = [], []

        @self.feature(types.WINDOW_LOG_MESSAGE)
        def _(params: types.LogMessageParams):
            self.messages.append(params)

        @self.feature(types.WINDOW_WORK_DONE_PROGRESS_CREATE)
        def _(params: types.WorkDoneProgressCreateParams):
            return None

    def report_server_error(self, error, source):
        self.faults.append((error, source))

    @property
    def exit_code(self):
        return self._server.returncode


class SessionTests(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        asyncio.get_running_loop().slow_callback_duration = TIMEOUT  # a busy machine is no news
        self.folder = tempfile.TemporaryDirectory(prefix="foretoken-client-")
        self.root = pathlib.Path(self.folder.name).resolve() / "drawing"
        self.root.mkdir()
        (self.root / "shapes.py").write_text(SHAPES)
        (self.root / "report.py").write_text(REPORT)
        for command in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@example.org",
                                                       "-c", "commit.gpgsign=false", "commit", "-q", "-m", "Draw"]):
            subprocess.run(["git", "-C", str(self.root), *command], check=True)
        environment = dict(os.environ)
        for name in ("CACHE", "CONFIG", "STATE"):
            environment[f"XDG_{name}_HOME"] = f"{self.folder.name}/{name.lower()}"
        self.client = Client()
        await self.client.start_io(BINARY, "serve", "--stdio", "--log-level", "error", "--context-tokens", "1024",
                                   "--answer-within", "0", env=environment)
        self.uri = (self.root / "report.py").as_uri()
        self.version = 1

    async def asyncTearDown(self):
        if self.client.exit_code is None:
            self.client._server.kill()
        await self.client.stop()
        self.folder.cleanup()

    # ------------------------------------------------------------------------------------------ what an editor does

    async def initialize(self):
        result = await self._within(self.client.initialize_async(types.InitializeParams(
            process_id=os.getpid(), root_uri=self.root.as_uri(),
            client_info=types.ClientInfo(name="typing-editor"),
            workspace_folders=[types.WorkspaceFolder(uri=self.root.as_uri(), name="drawing")],
            capabilities=types.ClientCapabilities(
                general=types.GeneralClientCapabilities(position_encodings=[types.PositionEncodingKind.Utf16]),
                window=types.WindowClientCapabilities(work_done_progress=True),
                text_document=types.TextDocumentClientCapabilities(
                    inline_completion=types.InlineCompletionClientCapabilities())))))
        self.client.initialized(types.InitializedParams())
        return result

    def open(self):
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(text_document=types.TextDocumentItem(
            uri=self.uri, language_id="python", version=self.version, text=REPORT)))

    def insert(self, position, text):
        self.version += 1
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(
            text_document=types.VersionedTextDocumentIdentifier(uri=self.uri, version=self.version),
            content_changes=[types.TextDocumentContentChangePartial(
                range=types.Range(start=position, end=position), text=text)]))

    def params(self, position, kind=types.InlineCompletionTriggerKind.Automatic, selected=None):
        return types.InlineCompletionParams(
            text_document=types.TextDocumentIdentifier(uri=self.uri), position=position,
            context=types.InlineCompletionContext(trigger_kind=kind, selected_completion_info=selected))

    async def items(self, *arguments, **keywords):
        """The answer to a completion request, as a list of the protocol's items."""
        answer = await self._within(
            self.client.text_document_inline_completion_async(self.params(*arguments, **keywords)))
        if answer is None:
            return []
        items = answer.items if isinstance(answer, types.InlineCompletionList) else answer
        for item in items:
            self.assertIsInstance(item, types.InlineCompletionItem)
            self.assertIsInstance(item.insert_text, str)
            self.assertEqual(item.range.start.line, item.range.end.line)
        return items

    async def leave(self):
        self.assertIsNone(await self._within(self.client.shutdown_async(None)))
        self.client.exit(None)
        await self._within(self.client._server.wait())

    async def _within(self, awaitable):
        return await asyncio.wait_for(awaitable, TIMEOUT)

    # ------------------------------------------------------------------------------------------ the sessions

    async def test_session(self):
        """initialize, complete, cycle, accept, type along, menu, settings, shutdown, exit."""
        result = await self.initialize()
        capabilities = result.capabilities
        self.assertTrue(capabilities.inline_completion_provider)
        self.assertEqual(capabilities.position_encoding, types.PositionEncodingKind.Utf16)
        self.assertEqual(capabilities.text_document_sync.change, types.TextDocumentSyncKind.Incremental)
        self.assertEqual(result.server_info.name, "foretoken")
        self.open()

        first = (await self.items(CALL))[0]
        self.assertTrue(first.insert_text.startswith("rectangles("), first.insert_text)
        self.assertEqual(first.range, types.Range(start=CALL, end=CALL))
        self.assertIn(first.command.command, capabilities.execute_command_provider.commands)

        # The menu highlights an item: every suggestion begins with it and replaces its range.
        word = types.Range(start=types.Position(line=6, character=20), end=CALL)
        chosen = types.SelectedCompletionInfo(range=word, text="intersect_rectangles")
        for item in await self.items(CALL, selected=chosen):
            self.assertTrue(item.insert_text.startswith("intersect_rectangles"), item.insert_text)
            self.assertEqual(item.range, word)

        # Typing along a suggestion shows the rest of it.
        self.insert(CALL, "rect")
        typed = types.Position(line=6, character=CALL.character + 4)
        along = (await self.items(typed))[0]
        self.assertEqual("rect" + along.insert_text, first.insert_text)

        self.insert(typed, along.insert_text)
        accepted = self.client.workspace_execute_command_async(types.ExecuteCommandParams(
            command=along.command.command, arguments=along.command.arguments))
        self.assertIsNone(await self._within(accepted))

        # Who asks gets several, and may choose.
        several = await self.items(OPEN_PLACE, types.InlineCompletionTriggerKind.Invoked)
        texts = [item.insert_text for item in several]
        self.assertGreater(len(texts), 1, texts)
        self.assertEqual(len(texts), len(set(texts)))

        self.client.workspace_did_change_configuration(
            types.DidChangeConfigurationParams(settings={"foretoken": {"enabled": False}}))
        self.assertEqual(await self.items(OPEN_PLACE, types.InlineCompletionTriggerKind.Invoked), [])
        self.client.workspace_did_change_configuration(
            types.DidChangeConfigurationParams(settings={"foretoken": {"enabled": True}}))
        self.assertNotEqual(await self.items(OPEN_PLACE, types.InlineCompletionTriggerKind.Invoked), [])

        self.client.text_document_did_save(types.DidSaveTextDocumentParams(
            text_document=types.TextDocumentIdentifier(uri=self.uri)))
        self.client.text_document_did_close(types.DidCloseTextDocumentParams(
            text_document=types.TextDocumentIdentifier(uri=self.uri)))
        self.assertEqual(await self.items(OPEN_PLACE, types.InlineCompletionTriggerKind.Invoked), [])

        await self.leave()
        self.assertEqual(self.client.exit_code, 0)
        self.assertEqual(self.client.faults, [])

    async def test_overtaken_and_cancelled(self):
        """A newer request answers the older one with null; a cancelled one is answered too."""
        await self.initialize()
        self.open()
        older = self.client.protocol.send_request_async(
            types.TEXT_DOCUMENT_INLINE_COMPLETION, self.params(OPEN_PLACE), "older")
        newer = self.client.protocol.send_request_async(
            types.TEXT_DOCUMENT_INLINE_COMPLETION, self.params(CALL), "newer")
        answers = await self._within(asyncio.gather(older, newer))
        self.assertIsNone(answers[0])
        self.assertTrue(answers[1].items)

        cancelled = asyncio.ensure_future(self.client.protocol.send_request_async(
            types.TEXT_DOCUMENT_INLINE_COMPLETION, self.params(OPEN_PLACE), "cancelled"))
        await asyncio.sleep(0)  # the request is written before its cancellation
        self.client.protocol.notify(types.CANCEL_REQUEST, types.CancelParams(id="cancelled"))
        with self.assertRaises(JsonRpcRequestCancelled):
            await self._within(cancelled)

        with self.assertRaises(JsonRpcMethodNotFound):
            await self._within(self.client.text_document_hover_async(types.HoverParams(
                text_document=types.TextDocumentIdentifier(uri=self.uri), position=CALL)))
        await self.leave()
        self.assertEqual(self.client.exit_code, 0)
        self.assertEqual(self.client.faults, [])

    async def test_exit_without_shutdown(self):
        await self.initialize()
        self.client.exit(None)
        await self._within(self.client._server.wait())
        self.assertEqual(self.client.exit_code, 1)

    async def test_request_before_initialize(self):
        with self.assertRaises(JsonRpcException) as caught:
            await self.items(CALL)
        self.assertEqual(caught.exception.code, types.ErrorCodes.ServerNotInitialized)


if __name__ == "__main__":
    unittest.main()
