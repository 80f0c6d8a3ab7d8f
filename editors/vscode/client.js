// A small client for one language server over standard input and output: frames, requests, answers, cancellation.
// Knows no editor. JSON-RPC 2.0 as LSP 3.18 uses it.

'use strict';

const childProcess = require('child_process');

const requestCancelled = -32800;
const maximumFrameBytes = 64 << 20;

/** What the server answered instead of a result. */
class ResponseError extends Error {
  constructor(error) {
    super(error.message);
    this.code = error.code;
  }
}

/** One running server. */
class Client {
  /**
   * @param {string[]} command program and arguments
   * @param {{notification: function(string, any), request: function(string, any): any, end: function(string)}} handlers
   */
  constructor(command, handlers) {
    this.handlers = handlers;
    this.pending = new Map();
    this.nextId = 1;
    this.buffer = Buffer.alloc(0);
    this.isOpen = true;
    this.process = childProcess.spawn(command[0], command.slice(1), { stdio: ['pipe', 'pipe', 'ignore'] });
    this.process.stdout.on('data', (chunk) => this.receive(chunk));
    this.process.stdin.on('error', () => {}); // told by 'exit'
    this.process.on('error', (error) => this.end(error.message));
    this.process.on('exit', (code, signal) => this.end(`the server ended with ${signal || `code ${code}`}`));
  }

  end(reason) {
    if (!this.isOpen) return;
    this.isOpen = false;
    for (const { reject } of this.pending.values()) reject(new Error(reason));
    this.pending.clear();
    this.handlers.end(reason);
  }

  send(message) {
    if (!this.isOpen) return;
    const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }), 'utf8');
    this.process.stdin.write(`Content-Length: ${body.length}\r\n\r\n`);
    this.process.stdin.write(body);
  }

  notify(method, params) {
    this.send({ method, params });
  }

  /** Asks. `token` is a cancellation token of VS Code's, or nothing. */
  request(method, params, token) {
    if (!this.isOpen) return Promise.reject(new Error('the server is not running'));
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      const listener = token && token.onCancellationRequested(() => {
        if (this.pending.has(id)) this.notify('$/cancelRequest', { id });
      });
      const settle = (done) => (value) => {
        if (listener) listener.dispose();
        done(value);
      };
      this.pending.set(id, { resolve: settle(resolve), reject: settle(reject) });
      this.send({ id, method, params });
    });
  }

  receive(chunk) {
    this.buffer = Buffer.concat([this.buffer, chunk]);
    for (;;) {
      const headerEnd = this.buffer.indexOf('\r\n\r\n');
      if (headerEnd < 0) return;
      const match = /content-length: *(\d+)/i.exec(this.buffer.toString('latin1', 0, headerEnd));
      const length = match ? Number(match[1]) : NaN;
      if (!(length <= maximumFrameBytes)) {
        this.process.kill();
        return this.end('the server sent no frame');
      }
      const end = headerEnd + 4 + length;
      if (this.buffer.length < end) return;
      const body = this.buffer.toString('utf8', headerEnd + 4, end);
      this.buffer = this.buffer.subarray(end);
      this.handle(JSON.parse(body));
    }
  }

  handle(message) {
    if (message.method === undefined) {
      const waiting = this.pending.get(message.id);
      this.pending.delete(message.id);
      if (!waiting) return;
      if (message.error) waiting.reject(new ResponseError(message.error));
      else waiting.resolve(message.result);
    } else if (message.id === undefined) {
      this.handlers.notification(message.method, message.params);
    } else {
      const result = this.handlers.request(message.method, message.params);
      this.send({ id: message.id, result: result === undefined ? null : result });
    }
  }

  /** Ends the server as the protocol wants it; the process is gone at the latest two seconds later. */
  async stop() {
    if (!this.isOpen) return;
    const killer = setTimeout(() => this.process.kill(), 2000);
    const gone = new Promise((resolve) => this.process.once('exit', resolve));
    await this.request('shutdown').catch(() => {});
    this.notify('exit');
    await gone;
    clearTimeout(killer);
  }
}

module.exports = { Client, ResponseError, requestCancelled };
