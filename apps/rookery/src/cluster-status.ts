// Status objects of MetalLB: ConfigurationState (one of the controller, one per speaker) and the
// usage of pools. Written when they differ from what was written last; a cluster without these
// definitions is left alone after one try.

import { applyObject, pathOf, patchObject, renderKubeError } from '@rookery/kube';
import type { KubeClient, ResourceType } from '@rookery/kube';
import type { ConfigIssue, PoolUsage } from '@rookery/metallb';
import type { ClusterLog } from './cluster-log.ts';

const STATES: ResourceType = {
  group: 'metallb.io',
  version: 'v1beta1',
  plural: 'configurationstates',
};
const POOLS: ResourceType = { group: 'metallb.io', version: 'v1beta1', plural: 'ipaddresspools' };

export interface ConfigurationStateOptions {
  readonly namespace: string;
  /** Node name, for a speaker. */
  readonly node?: string;
}

/** A finding or an issue as the condition's message shows it. */
export interface StateNote {
  readonly issue?: ConfigIssue;
  readonly warnings: readonly string[];
}

/** Writes this component's ConfigurationState. */
export class ConfigurationStateWriter {
  readonly #client: KubeClient;
  readonly #options: ConfigurationStateOptions;
  readonly #log: ClusterLog;
  #last = '';
  #since = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
  #lastStatus = '';
  #known = true;
  #writing: Promise<void> = Promise.resolve();

  constructor(client: KubeClient, options: ConfigurationStateOptions, log: ClusterLog) {
    this.#client = client;
    this.#options = options;
    this.#log = log;
  }

  /** Queues the write, if anything changed. */
  write(note: StateNote): void {
    const text = JSON.stringify(note);
    if (text === this.#last || !this.#known) return;
    this.#last = text;
    this.#writing = this.#writing.then(() => this.#put(note));
  }

  async #put(note: StateNote): Promise<void> {
    const { namespace, node } = this.#options;
    const name = node === undefined ? 'controller' : `speaker-${node}`;
    const type = node === undefined ? 'poolReconcilerValid' : 'configReconcilerValid';
    const manager = node === undefined ? 'poolReconciler' : 'configReconciler';
    const valid = note.issue === undefined;
    const status = valid ? 'True' : 'False';
    if (status !== this.#lastStatus) {
      this.#lastStatus = status;
      this.#since = new Date().toISOString().replace(/\.\d+Z$/, 'Z');
    }
    const problem =
      note.issue && `configuration error: ${note.issue.object}: ${note.issue.message}`;
    const object = {
      apiVersion: 'metallb.io/v1beta1',
      kind: 'ConfigurationState',
      metadata: {
        name,
        namespace,
        labels: {
          'metallb.io/component-type': node === undefined ? 'controller' : 'speaker',
          ...(node === undefined ? {} : { 'metallb.io/node-name': node }),
        },
      },
    };
    const at = { type: STATES, namespace, name };
    const made = await applyObject(this.#client, at, object, manager);
    if (made.ok && made.value === 'gone') {
      this.#known = false;
      return;
    }
    const written = await applyObject(
      this.#client,
      { ...at, subresource: 'status' },
      {
        ...object,
        status: {
          result: valid ? 'Valid' : 'Invalid',
          ...(problem === undefined ? {} : { errorSummary: problem }),
          conditions: [
            {
              type,
              status,
              reason: valid ? 'Reconciled' : 'ConfigurationError',
              message: problem ?? note.warnings.join('\n'),
              lastTransitionTime: this.#since,
            },
          ],
        },
      },
      manager,
    );
    for (const outcome of [made, written]) {
      if (outcome.ok) continue;
      this.#last = '';
      this.#log.debug({ error: renderKubeError(outcome.error) }, 'ConfigurationState not written');
      return;
    }
  }
}

/** Writes status of IPAddressPools when the numbers differ from what the object says. */
export class PoolStatusWriter {
  readonly #client: KubeClient;
  readonly #namespace: string;
  readonly #log: ClusterLog;
  readonly #inFlight = new Set<string>();

  constructor(client: KubeClient, namespace: string, log: ClusterLog) {
    this.#client = client;
    this.#namespace = namespace;
    this.#log = log;
  }

  /** `current`: the pool objects as the server has them. */
  write(
    usage: ReadonlyMap<string, PoolUsage>,
    current: readonly { readonly metadata: { readonly name: string }; readonly status?: unknown }[],
  ): void {
    for (const object of current) {
      const { name } = object.metadata;
      const counts = usage.get(name);
      if (!counts || this.#inFlight.has(name)) continue;
      const wanted = {
        assignedIPv4: counts.inUse.ipv4,
        assignedIPv6: counts.inUse.ipv6,
        availableIPv4: counts.available.ipv4,
        availableIPv6: counts.available.ipv6,
      };
      const status = (object.status ?? {}) as Readonly<Record<string, unknown>>;
      const same = Object.entries(wanted).every(
        ([field, value]) => status[field] === Number(value),
      );
      if (!same) void this.#put(name, wanted);
    }
  }

  async #put(name: string, wanted: Readonly<Record<string, bigint>>): Promise<void> {
    this.#inFlight.add(name);
    const status = Object.fromEntries(
      Object.entries(wanted).map(([field, value]) => [field, exactNumber(value)]),
    );
    const at = { type: POOLS, namespace: this.#namespace, name, subresource: 'status' as const };
    const written = await patchObject(this.#client, at, { status });
    this.#inFlight.delete(name);
    if (!written.ok) {
      this.#log.debug(
        { pool: name, error: renderKubeError(written.error) },
        'pool status not written',
      );
    }
  }
}

/** Path of the pod of this process, for ownerReferences. */
export function podPath(namespace: string, name: string): string {
  return pathOf({ group: '', version: 'v1', plural: 'pods' }, { namespace, name });
}

/** A JSON number with all its digits: a double cannot hold the largest int64. */
function exactNumber(value: bigint): unknown {
  const json = JSON as unknown as { readonly rawJSON: (text: string) => unknown };
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : json.rawJSON(value.toString());
}
