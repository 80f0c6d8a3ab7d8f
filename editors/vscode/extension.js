// Foretoken in VS Code: tells the server about documents, and hands its suggestions to VS Code, which shows them,
// accepts them whole, by word or by line, and goes through several. Keys are VS Code's own.

'use strict';

const vscode = require('vscode');
const { Client } = require('./client');

/** A server that ends more often than this within three minutes is left alone. */
const maximumRestarts = 4;
const restartWindow = 3 * 60 * 1000;

/** The server, the documents that it knows, and what it says about itself. */
class Session {
  constructor(context) {
    this.context = context;
    this.known = new Set();
    this.ends = [];
    this.status = vscode.window.createStatusBarItem(vscode.StatusBarAlignment.Right, 100);
    this.status.command = 'foretoken.toggle';
    this.status.text = 'Foretoken';
    this.status.show();
    context.subscriptions.push(this.status);
  }

  configuration(document) {
    return vscode.workspace.getConfiguration('foretoken', document);
  }

  start() {
    const command = this.configuration().get('command');
    this.known.clear();
    const client = new Client(command, {
      notification: (method, params) => this.notified(method, params),
      request: (method, params) => (method === 'workspace/configuration' ? params.items.map(() => null) : null),
      end: (reason) => this.ended(client, reason),
    });
    this.client = client;
    this.ready = client.request('initialize', this.initializeParams()).then(() => {
      client.notify('initialized', {});
      for (const document of vscode.workspace.textDocuments) this.open(document);
    });
    this.ready.catch(() => {}); // told by `ended`
  }

  initializeParams() {
    const folders = (vscode.workspace.workspaceFolders || []).map((folder) => ({
      uri: folder.uri.toString(), name: folder.name,
    }));
    return {
      processId: process.pid,
      clientInfo: { name: 'Visual Studio Code', version: vscode.version },
      rootUri: folders.length > 0 ? folders[0].uri : null,
      workspaceFolders: folders.length > 0 ? folders : null,
      initializationOptions: this.configuration().get('settings') || {},
      capabilities: {
        general: { positionEncodings: ['utf-16'] },
        workspace: { workspaceFolders: true },
        textDocument: { synchronization: { didSave: true }, inlineCompletion: { dynamicRegistration: false } },
      },
    };
  }

  notified(method, params) {
    if (method === 'didChangeStatus') {
      this.status.text = params.kind === 'Normal' ? 'Foretoken' : `Foretoken: ${params.kind}`;
      this.status.tooltip = params.message;
    } else if (method === 'window/showMessage' || (method === 'window/logMessage' && params.type === 1)) {
      const kinds = { 1: 'showErrorMessage', 2: 'showWarningMessage' };
      vscode.window[kinds[params.type] || 'showInformationMessage'](`Foretoken: ${params.message}`);
    }
  }

  ended(client, reason) {
    if (client !== this.client || this.isStopping) return;
    const now = Date.now();
    this.ends = this.ends.filter((time) => now - time < restartWindow).concat(now);
    if (this.ends.length > maximumRestarts || client.process.pid === undefined) {
      this.status.text = 'Foretoken: Error';
      vscode.window.showErrorMessage(
        `Foretoken: ${reason}. See the setting foretoken.command, then run Foretoken: Restart the Server.`);
    } else {
      this.start();
    }
  }

  async stop() {
    this.isStopping = true;
    if (this.client) await this.client.stop();
    this.isStopping = false;
  }

  // ---------------------------------------------------------------------------------------- documents

  open(document) {
    const uri = document.uri.toString();
    if (document.uri.scheme !== 'file' || this.known.has(uri)) return;
    this.known.add(uri);
    this.client.notify('textDocument/didOpen', {
      textDocument: { uri, languageId: document.languageId, version: document.version, text: document.getText() },
    });
  }

  change(event) {
    const uri = event.document.uri.toString();
    if (!this.known.has(uri) || event.contentChanges.length === 0) return;
    this.client.notify('textDocument/didChange', {
      textDocument: { uri, version: event.document.version },
      // In an order in which each may be applied after the one before.
      contentChanges: event.contentChanges.map((change) => ({ range: toWire(change.range), text: change.text })),
    });
  }

  save(document) {
    const uri = document.uri.toString();
    if (this.known.has(uri)) this.client.notify('textDocument/didSave', { textDocument: { uri } });
  }

  close(document) {
    const uri = document.uri.toString();
    if (this.known.delete(uri)) this.client.notify('textDocument/didClose', { textDocument: { uri } });
  }

  focus(editor) {
    const uri = editor && editor.document.uri.toString();
    if (uri && this.known.has(uri)) this.client.notify('textDocument/didFocus', { textDocument: { uri } });
  }

  // -------------------------------------------------------------------------------------- suggestions

  /** vscode.InlineCompletionItemProvider */
  async provideInlineCompletionItems(document, position, context, token) {
    const isInvoked = context.triggerKind === vscode.InlineCompletionTriggerKind.Invoke;
    if (!isInvoked && !this.configuration(document).get('enable')) return [];
    try {
      await this.ready;
      if (token.isCancellationRequested) return [];
      this.open(document);
      const result = await this.client.request('textDocument/inlineCompletion', {
        textDocument: { uri: document.uri.toString() },
        position: { line: position.line, character: position.character },
        // The API counts from 0, the protocol from 1.
        context: { triggerKind: isInvoked ? 1 : 2, selectedCompletionInfo: selected(context.selectedCompletionInfo) },
      }, token);
      if (token.isCancellationRequested || !result) return [];
      return (result.items || result).map(toItem);
    } catch (error) {
      // Cancelled, superseded or failed: there is nothing to show, and `ended` has told what a user can act on.
      return [];
    }
  }

  /** Runs the command that came with an accepted suggestion. */
  accepted(command) {
    this.execute(command.command, command.arguments);
  }

  execute(command, parameters) {
    this.client.request('workspace/executeCommand', { command, arguments: parameters }).catch(() => {});
  }
}

function toWire(range) {
  return {
    start: { line: range.start.line, character: range.start.character },
    end: { line: range.end.line, character: range.end.character },
  };
}

function selected(info) {
  return info && { range: toWire(info.range), text: info.text };
}

function toItem(item) {
  const text = typeof item.insertText === 'string' ? item.insertText : new vscode.SnippetString(item.insertText.value);
  const range = item.range && new vscode.Range(
    item.range.start.line, item.range.start.character, item.range.end.line, item.range.end.character);
  const result = new vscode.InlineCompletionItem(text, range);
  if (item.filterText) result.filterText = item.filterText;
  if (item.command) {
    result.command = { title: item.command.title, command: 'foretoken.accepted', arguments: [item.command] };
  }
  return result;
}

let session;

function activate(context) {
  session = new Session(context);
  session.start();
  const workspace = vscode.workspace;
  const isEnabled = () => session.configuration().get('enable');
  context.subscriptions.push(
    workspace.onDidOpenTextDocument((document) => session.ready.then(() => session.open(document), () => {})),
    workspace.onDidChangeTextDocument((event) => session.change(event)),
    workspace.onDidSaveTextDocument((document) => session.save(document)),
    workspace.onDidCloseTextDocument((document) => session.close(document)),
    vscode.window.onDidChangeActiveTextEditor((editor) => session.focus(editor)),
    vscode.languages.registerInlineCompletionItemProvider({ scheme: 'file' }, session),
    vscode.commands.registerCommand('foretoken.accepted', (command) => session.accepted(command)),
    vscode.commands.registerCommand('foretoken.toggle', () =>
      session.configuration().update('enable', !isEnabled(), vscode.ConfigurationTarget.Global)),
    vscode.commands.registerCommand('foretoken.snooze', () => session.execute('foretoken.snooze', [10])),
    vscode.commands.registerCommand('foretoken.restart', async () => {
      await session.stop();
      session.ends = [];
      session.start();
    }),
  );
}

async function deactivate() {
  if (session) await session.stop();
}

module.exports = { activate, deactivate };
