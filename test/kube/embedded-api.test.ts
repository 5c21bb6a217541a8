// The scenario of the real kube-apiserver, with the lab's API server in its place.

import { KUBECTL } from '../support/kubectl.ts';
import { insideSandbox, skipWithout } from '../support/sandbox.ts';
import { embeddedApiServer } from './api-servers.ts';
import { runScenario } from './scenario.ts';

const skip = skipWithout(KUBECTL);
const state = skip ? '' : await insideSandbox();

runScenario('kube-embedded', skip, state, (place) => embeddedApiServer(place, process.execPath));
