// From a bird.conf on disk to a configuration: reads files and includes for the parser, and renders
// what is wrong with them in BIRD's form, with the line, a caret and the cure below.

import { globSync, readFileSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import { parseConfig, renderIssue, renderIssueHead } from '@rookery/bird';
import { platformErrorFrom } from '@rookery/linux';
import type { RouterConfig } from '@rookery/router';
