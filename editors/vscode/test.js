// Tests the extension in Node against a scripted `vscode` object: not VS Code itself. What VS Code does with suggestions
// (drawing, accepting by word and line, undo) is its own and not tested here; what is asked, shown and told is. Run by
// editors/tests/run.sh with the environment that neovim/test.lua describes.

'use strict';

const assert = require('assert');
const childProcess = require('child_process');
const fs = require('fs');
const Module = require('module');
const path = require('path');

const deadline = 60000;
const project = process.env.FT_PROJECT;

// ---------------------------------------------------------------------------- the part of vscode that is used

class Position { constructor(line, character) { Object.assign(this, { line, character }); } }

class Range {
  constructor(startLine, startCharacter, endLine, endCharacter) {
    this.start = new Position(startLine, startCharacter);
    this.end = new Position(endLine, endCharacter);
  }
}

class Emitter {
  constructor() { this.listeners = new Set(); }

  get event() {
    return (listener) => {
      this.listeners.add(listener);
      return { dispose: () => this.listeners.delete(listener) };
    };
  }

  fire(value) { for (const listener of [...this.listeners]) listener(value); }
}

class CancellationToken extends Emitter {
  constructor() { super(); this.isCancellationRequested = false; }

  get onCancellationRequested() { return this.event; }

  cancel() { this.isCancellationRequested = true; this.fire(); }
}

class Uri {
  constructor(file) { this.scheme = 'file'; this.fsPath = file; }

  toString() { return 'file://' + this.fsPath.split('/').map(encodeURIComponent).join('/'); }
}

const emitters = {};
for (const name of ['open', 'change', 'save', 'close', 'editor']) emitters[name] = new Emitter();
const settings = { command: JSON.parse(process.env.FT_COMMAND), settings: {}, enable: true };
const shown = { errors: [], commands: new Map(), provider: null, status: null };

/** A document that changes as an editor's does. */
class Document {
  constructor(file, languageId) {
    Object.assign(this, { uri: new Uri(file), languageId, version: 1, text: fs.readFileSync(file, 'utf8') });
  }

  getText() { return this.text; }

  offset({ line, character }) {
    let start = 0;
    for (let index = 0; index < line; index++) start = this.text.indexOf('\n', start) + 1;
    return start + character;
  }

  /** Replaces ranges, the last in the document first, in one event. */
  edit(...changes) {
    for (const { range, text } of changes) {
      this.text = this.text.slice(0, this.offset(range.start)) + text + this.text.slice(this.offset(range.end));
    }
    this.version++;
    emitters.change.fire({ document: this, contentChanges: changes });
  }

  insert(line, character, text) { this.edit({ range: new Range(line, character, line, character), text }); }
}

const vscode = {
  version: '1.75.0',
  Range,
  InlineCompletionItem: class { constructor(insertText, range) { Object.assign(this, { insertText, range }); } },
  SnippetString: class { constructor(value) { this.value = value; } },
  InlineCompletionTriggerKind: { Invoke: 0, Automatic: 1 },
  StatusBarAlignment: { Right: 2 },
  ConfigurationTarget: { Global: 1 },
  languages: {
    registerInlineCompletionItemProvider(selector, provider) {
      assert.deepStrictEqual(selector, { scheme: 'file' });
      shown.provider = provider;
      return { dispose() {} };
    },
  },
  commands: {
    registerCommand(name, run) { shown.commands.set(name, run); return { dispose() {} }; },
  },
  window: {
    createStatusBarItem() { shown.status = { show() {}, dispose() {} }; return shown.status; },
    onDidChangeActiveTextEditor: emitters.editor.event,
    showErrorMessage(message) { shown.errors.push(message); },
    showWarningMessage(message) { shown.errors.push(message); },
    showInformationMessage() {},
  },
  workspace: {
    workspaceFolders: [{ uri: new Uri(project), name: 'drawing' }],
    textDocuments: [],
    onDidOpenTextDocument: emitters.open.event,
    onDidChangeTextDocument: emitters.change.event,
    onDidSaveTextDocument: emitters.save.event,
    onDidCloseTextDocument: emitters.close.event,
    getConfiguration: () => ({
      get: (name) => settings[name],
      update: (name, value) => { settings[name] = value; },
    }),
  },
};

const load = Module._load;
Module._load = function (name, ...rest) { return name === 'vscode' ? vscode : load.call(this, name, ...rest); };
const extension = require('./extension');

// ---------------------------------------------------------------------------------------------------- helpers

async function wait(what, condition) {
  const start = Date.now();
  for (;;) {
    const value = condition();
    if (value) return value;
    assert(Date.now() - start < deadline, `waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

// What the server has logged of a method. Its last line may be half written, and stay so where it is killed.
function log(method) {
  return fs.readFileSync(process.env.FT_LOG, 'utf8').split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line)];
    } catch {
      return [];
    }
  }).filter((message) => message.method === method);
}

function open(name, text) {
  const file = path.join(project, name);
  if (text !== undefined) fs.writeFileSync(file, text);
  const document = new Document(file, 'python');
  vscode.workspace.textDocuments.push(document);
  emitters.open.fire(document);
  return document;
}

function ask(document, line, character, { kind = 1, token = new CancellationToken(), selectedInfo } = {}) {
  const context = { triggerKind: kind, selectedCompletionInfo: selectedInfo };
  return shown.provider.provideInlineCompletionItems(document, new Position(line, character), context, token);
}

/** What VS Code does when a suggestion is accepted. */
function accept(document, item) {
  document.edit({ range: item.range, text: item.insertText });
  shown.commands.get(item.command.command)(...item.command.arguments);
}

const tests = [];
const test = (name, body) => tests.push([name, body]);

// ------------------------------------------------------------------------------------------ scripted answers

function scripted() {
  test('one suggestion while typing, several when asked', async () => {
    const document = open('many.py', 'many = ');
    assert.deepStrictEqual((await ask(document, 0, 7)).map((item) => item.insertText), ['one(1)']);
    const items = await ask(document, 0, 7, { kind: 0 });
    assert.deepStrictEqual(items.map((item) => item.insertText), ['one(1)', 'two(2)', 'three(3)']);
    assert.deepStrictEqual(log('textDocument/inlineCompletion').map((each) => each.params.context.triggerKind), [2, 1]);
  });

  test('an accepted suggestion is in the document and told to the server', async () => {
    const document = open('drop.py', '# é😀\nx = call()\n');
    const [item] = await ask(document, 1, 9);
    assert.deepStrictEqual(item.range, new Range(1, 9, 1, 10));
    accept(document, item);
    assert.strictEqual(document.text, '# é😀\nx = call(first, second)\n');
    await wait('the command', () => log('workspace/executeCommand').length === 1);
    assert.strictEqual(log('workspace/executeCommand')[0].params.command, 'test.taken');
  });

  test('several changes in one event, and characters of all widths, reach the server byte for byte', async () => {
    const document = open('sync.py', 'a = "é"\nb = "😀"\n');
    document.edit(
      { range: new Range(1, 7, 1, 7), text: '\n"😀é" + ' }, { range: new Range(0, 5, 0, 6), text: '名' });
    await ask(document, 2, 8);
    const [message] = log('textDocument/inlineCompletion').slice(-1);
    assert.strictEqual(message.document, document.text);
    assert.strictEqual(document.text, 'a = "名"\nb = "😀\n"😀é" + "\n');
  });

  test('a token that is cancelled cancels the request', async () => {
    const document = open('held.py', 'never = ');
    const token = new CancellationToken();
    const answer = ask(document, 0, 8, { token });
    await wait('the request', () => log('textDocument/inlineCompletion').some((each) => each.document === 'never = '));
    token.cancel();
    assert.deepStrictEqual(await answer, []);
    assert.strictEqual(log('$/cancelRequest').length, 1);
  });

  test('the highlighted menu item is told', async () => {
    const document = open('menu.py', 'whole = ');
    await ask(document, 0, 8, { selectedInfo: { range: new Range(0, 8, 0, 8), text: 'width' } });
    const [message] = log('textDocument/inlineCompletion').slice(-1);
    assert.deepStrictEqual(message.params.context.selectedCompletionInfo, {
      range: { start: { line: 0, character: 8 }, end: { line: 0, character: 8 } }, text: 'width',
    });
  });

  test('turned off it asks only when the user does', async () => {
    const document = open('off.py', 'whole = ');
    await shown.commands.get('foretoken.toggle')();
    assert.deepStrictEqual(await ask(document, 0, 8), []);
    assert.strictEqual((await ask(document, 0, 8, { kind: 0 })).length, 1);
    await shown.commands.get('foretoken.toggle')();
    assert.strictEqual((await ask(document, 0, 8)).length, 1);
  });

  test('saving and closing are told', async () => {
    const document = open('closed.py', 'x = 1\n');
    await ask(document, 0, 0);
    emitters.save.fire(document);
    vscode.workspace.textDocuments.splice(vscode.workspace.textDocuments.indexOf(document), 1);
    emitters.close.fire(document);
    await wait('didClose', () => log('textDocument/didClose').length === 1 && log('textDocument/didSave').length === 1);
  });

  test('a server that was killed is started again and knows the documents', async () => {
    const document = open('again.py', 'whole = ');
    assert.strictEqual((await ask(document, 0, 8)).length, 1);
    const started = log('initialize').length;
    shown.provider.client.process.kill('SIGKILL');
    await wait('another start', () => log('initialize').length === started + 1);
    assert.strictEqual((await ask(document, 0, 8)).length, 1);
    assert(shown.errors.every((message) => message === 'Foretoken: scripted trouble'), shown.errors.join());
    assert(shown.errors.length > 0);
  });

  test('a program that is not there is told once', async () => {
    shown.errors.length = 0;
    settings.command = ['/nowhere/foretoken'];
    await shown.commands.get('foretoken.restart')();
    await wait('the message', () => shown.errors.length === 1);
    assert.match(shown.errors[0], /foretoken\.command/);
    assert.deepStrictEqual(await ask(vscode.workspace.textDocuments[0], 0, 7), []);
    settings.command = JSON.parse(process.env.FT_COMMAND);
    await shown.commands.get('foretoken.restart')();
  });

  test('the package holds the extension', async () => {
    const file = path.join(project, 'foretoken.vsix');
    childProcess.execFileSync('python3', [path.join(__dirname, 'package.py'), file]);
    const names = childProcess.execFileSync('python3', ['-m', 'zipfile', '-l', file], { encoding: 'utf8' });
    for (const name of ['extension.vsixmanifest', 'extension/package.json', 'extension/extension.js', 'extension/client.js']) {
      assert(names.includes(name), name);
    }
  });
}

// ----------------------------------------------------------------------- the daemon, on a cloned repository

function real() {
  test('a suggestion for what is typed, accepted byte for byte', async () => {
    const document = open('report.py');
    const before = document.text;
    const line = before.slice(0, before.indexOf('    return shared.width')).split('\n').length - 1;
    document.insert(line, 0, '    shared = shapes.inter\n');
    const typed = document.text;
    const [item] = await ask(document, line, 25);
    console.log('# suggested: ' + JSON.stringify(item.insertText));
    assert(item.insertText.startsWith('sect_rectangles('));
    accept(document, item);
    const place = typed.indexOf('shapes.inter\n') + 12;
    assert.strictEqual(document.text, typed.slice(0, place) + item.insertText + typed.slice(place));
    emitters.save.fire(document);
  });
}

async function main() {
  (process.env.FT_PART === 'scripted' ? scripted : real)();
  const context = { subscriptions: [] };
  extension.activate(context);
  for (const [name, body] of tests) {
    try {
      await body();
      console.log(`ok - ${name}`);
    } catch (error) {
      console.log(`not ok - ${name}\n${error.stack}`);
      process.exit(1);
    }
  }
  await extension.deactivate();
  console.log(`# ${tests.length} passed in Node ${process.version} against a scripted vscode object, ${process.env.FT_PART}`);
}

main();
