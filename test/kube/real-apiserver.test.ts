// Our controller, speaker and definitions with the real kube-apiserver and etcd.

import { KUBECTL } from '../support/kubectl.ts';
import { insideSandbox, skipWithout } from '../support/sandbox.ts';
import { realApiServer } from './api-servers.ts';
import { kubeApiserver } from './apiserver/build.ts';
import { runScenario } from './scenario.ts';

const ETCD = '/usr/bin/etcd';
const lacks = skipWithout(KUBECTL, ETCD);
const built = lacks ? undefined : await kubeApiserver();
const skip = lacks || (built?.kind === 'unavailable' ? built.reason : false);
const state = skip ? '' : await insideSandbox();

runScenario('kube-apiserver', skip, state, (place) =>
  realApiServer(place, built?.kind === 'built' ? built.path : '', ETCD),
);
