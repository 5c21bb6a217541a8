import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseControllerOptions, parseSpeakerOptions } from './cluster-options.ts';

test("speaker: MetalLB's flags and environment", () => {
  const command = parseSpeakerOptions(
    ['--port=7472', '-log-level', 'debug', '--ml-bindaddr=1.2.3.4', '--ignore-exclude-lb'],
    {
      METALLB_NODE_NAME: 'node1',
      METALLB_NAMESPACE: 'metallb-system',
      METALLB_POD_NAME: 'speaker-x',
    },
  );
  assert.ok(!('error' in command));
  assert.equal(command.nodeName, 'node1');
  assert.equal(command.namespace, 'metallb-system');
  assert.equal(command.port, 7472);
  assert.equal(command.logLevel, 'debug');
  assert.equal(command.podName, 'speaker-x');
  assert.equal(command.ignoreExcludeLabel, true);
  assert.deepEqual(command.ignored, ['--ml-bindaddr']);
});

test('what is missing or wrong is one sentence', () => {
  const error = (args: string[], env = {}): string => {
    const command = parseSpeakerOptions(args, env);
    return 'error' in command ? command.error : 'ok';
  };
  const namespaced = ['--namespace', 'metallb'];
  assert.match(error(namespaced), /which node is this\?/);
  assert.match(error(['--node-name', 'x']), /in which namespace/);
  assert.match(
    error([...namespaced, '--node-name', 'x', '--log-level', 'loud']),
    /known are all, debug/,
  );
  assert.match(error([...namespaced, '--node-name', 'x', '--port', '99999']), /not a port/);
  assert.match(error([...namespaced, '--surprise']), /surprise/);
  assert.equal(error([...namespaced, '--node-name', 'x']), 'ok');
});

test('controller: defaults', () => {
  const command = parseControllerOptions(['--namespace', 'metallb'], {});
  assert.ok(!('error' in command));
  assert.deepEqual(
    [command.port, command.logLevel, command.lbClass, command.leaderElect, command.ignored],
    [9120, 'info', '', false, []],
  );
});
