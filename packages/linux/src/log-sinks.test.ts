import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { LogClass } from '@rookery/router';
import { renderFileLine, renderSyslogLine, renderTime } from './log-format.ts';
import { fileSink, LogSinks, syslogSink } from './log-sinks.ts';
import type { LogSink } from './log-sinks.ts';
import { listenUnixDatagram } from './unix-datagram.ts';

const directory = mkdtempSync(join(tmpdir(), 'rookery-log-'));
after(() => rmSync(directory, { recursive: true }));

const at = new Date(2026, 10, 3, 7, 12, 10, 631).getTime();
const every: ReadonlySet<LogClass> = new Set(['trace', 'info', 'error', 'warning', 'fatal', 'bug']);
const isoLong = '%F %T.%3f';

test('lines have the form that users grep', () => {
  assert.equal(
    renderFileLine('trace', 'node1: BGP session established', isoLong, at),
    '2026-11-03 07:12:10.631 <TRACE> node1: BGP session established\n',
  );
  const pri: Readonly<Record<LogClass, number>> = {
    debug: 31,
    trace: 31,
    info: 30,
    remote: 27,
    warning: 28,
    error: 27,
    auth: 27,
    fatal: 26,
    bug: 26,
  };
  for (const [logClass, number] of Object.entries(pri)) {
    assert.equal(
      renderSyslogLine(logClass as LogClass, 'x', 'bird', at),
      `<${number}>Nov  3 07:12:10 bird: x`,
    );
  }
  assert.equal(renderTime('%d.%m.%y %H:%M:%S.%6f %Q %%', at), '03.11.26 07:12:10.631000 %Q %');
  assert.match(
    renderFileLine('info', `a\nb${'x'.repeat(5000)}`, '', at),
    /^ <INFO> a\?b.* \.\.\. <too long>\n$/,
  );
});

test('a file is rotated at its size and opened again when told', () => {
  const path = join(directory, 'bird.log');
  const sink = fileSink(every, isoLong, { path, maxBytes: 100, backup: `${path}.old` });
  const line = renderFileLine('info', 'one', isoLong, at);
  for (let i = 0; i < 4; i++) assert.equal(sink.write('info', 'one', at), undefined);
  assert.equal(readFileSync(`${path}.old`, 'utf8'), line.repeat(Math.floor(100 / line.length)));
  assert.equal(readFileSync(path, 'utf8'), line.repeat(4 - Math.floor(100 / line.length)));
  renameSync(path, `${path}.moved`);
  sink.reopen();
  sink.write('info', 'one', at);
  assert.equal(readFileSync(path, 'utf8'), line);
  sink.close();
});

test('a sink that failed before a reconfiguration is told of when it works after it', () => {
  const heard: string[] = [];
  const sink = (name: string, error?: string): LogSink => ({
    name,
    classes: every,
    write: (_, text) => {
      if (error === undefined && name === 'other') heard.push(text);
      return error;
    },
    reopen: () => undefined,
    close: () => undefined,
  });
  const sinks = new LogSinks([sink('file', 'No space'), sink('other')]);
  sinks.write('info', 'one', at);
  sinks.replace([sink('file', 'No space'), sink('other')]);
  sinks.write('info', 'two', at);
  sinks.replace([sink('file'), sink('other')]);
  sinks.write('info', 'three', at);
  assert.deepEqual(
    heard.filter((text) => text.includes('file')),
    [
      'Cannot write log to file: No space; trying again with each line',
      'Log to file works again, 2 lines were lost',
    ],
  );
});

test('a full disk is one message elsewhere, and the log resumes by itself', () => {
  const path = join(directory, 'full.log');
  symlinkSync('/dev/full', path);
  const heard: string[] = [];
  const other: LogSink = {
    name: 'other',
    classes: new Set(['bug']),
    write: (logClass, text) => {
      heard.push(`${logClass} ${text}`);
      return undefined;
    },
    reopen: () => undefined,
    close: () => undefined,
  };
  const sinks = new LogSinks([fileSink(every, isoLong, { path }), other]);
  for (let i = 0; i < 3; i++) sinks.write('info', `lost ${i}`, at);
  assert.deepEqual(heard, [
    `warning Cannot write log to ${path}: No space left on device; trying again with each line`,
  ]);
  unlinkSync(path);
  sinks.reopen();
  sinks.write('info', 'kept', at);
  assert.deepEqual(heard.slice(1), [`warning Log to ${path} works again, 3 lines were lost`]);
  assert.match(readFileSync(path, 'utf8'), /kept/);
  sinks.close();
});

test('syslog gets datagrams, also after its daemon was restarted', async () => {
  const path = join(directory, 'log');
  const sink = syslogSink(every, 'bird', path);
  assert.equal(sink.write('info', 'nobody there', at), 'No such file or directory');
  for (const text of ['first', 'second']) {
    let heard: ((line: string) => void) | undefined;
    const line = new Promise<string>((resolve) => (heard = resolve));
    const listener = listenUnixDatagram(path, (bytes) => heard!(new TextDecoder().decode(bytes)));
    assert.ok(listener.ok);
    assert.equal(sink.write('info', text, at), undefined);
    assert.equal(await line, `<30>Nov  3 07:12:10 bird: ${text}`);
    listener.value();
    unlinkSync(path);
  }
  sink.close();
});
