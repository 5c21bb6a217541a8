// From a bird.conf on disk to a configuration: reads files and includes for the parser, and renders
// what is wrong with them in BIRD's form, with the line, a caret and the cure below.

import { globSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import { parseConfig, renderIssue, renderIssueHead } from '@rookery/bird';
import type { ConfigIo, ConfigIssue } from '@rookery/bird';
import type { BirdLanguage } from '@rookery/console';
import type { RouterConfig } from '@rookery/router';
import { consoleLanguageFor } from './console-language.ts';

export type LoadedConfig =
  | {
      readonly ok: true;
      readonly config: RouterConfig;
      /** One line each: `FILE:LINE:COLUMN: text`. */
      readonly warnings: readonly string[];
      readonly language: BirdLanguage;
    }
  | {
      readonly ok: false;
      /** `FILE:LINE:COLUMN message`, or `FILE: No such file or directory`; for logs and consoles. */
      readonly message: string;
      /** Every issue with its line, caret and cure; for terminals. Ends with a line feed. */
      readonly report: string;
    };

/** Reads and checks a configuration; changes nothing. */
export function loadConfigFile(file: string): LoadedConfig {
  const { config, issues, scope } = parseConfig(file, fileIo);
  const errors = issues.filter((issue) => issue.severity === 'error');
  if (config === undefined || errors.length > 0) {
    const [first] = errors;
    return {
      ok: false,
      message: first === undefined ? `${file}: no configuration` : messageFor(first),
      report: errors.map((issue) => `bird: ${reportFor(issue)}\n`).join(''),
    };
  }
  const warnings = issues.map((w) => `${w.file}:${w.line}:${w.column}: ${w.message}`);
  return { ok: true, config, warnings, language: consoleLanguageFor(scope) };
}

const fileIo: ConfigIo = {
  readFile: (path) => {
    try {
      return { text: readFileSync(path, 'utf8') };
    } catch (error) {
      return { error: describe(error) };
    }
  },
  glob: (pattern) => {
    try {
      // A missing directory is an error, a pattern that matches nothing is not.
      if (!/[*?[]/.test(dirname(pattern))) statSync(dirname(pattern));
      const paths = globSync(pattern).filter((path) => statSync(path).isFile());
      return { paths: paths.toSorted() };
    } catch (error) {
      return { error: describe(error) };
    }
  },
};

function messageFor(issue: ConfigIssue): string {
  if (issue.line > 0) return renderIssueHead(issue);
  const reason = /^Unable to open configuration file .*: ([^:]+)$/.exec(issue.message);
  return reason ? `${issue.file}: ${reason[1]!}` : issue.message;
}

function reportFor(issue: ConfigIssue): string {
  return issue.line > 0 ? renderIssue(issue) : issue.message;
}

/** The words of strerror(3), without loading the module that calls it. */
function describe(error: unknown): string {
  const { errno, message } = error as { errno?: number; message: string };
  const known = errno === undefined ? undefined : getSystemErrorMap().get(errno);
  if (!known) return message;
  return errorWords[known[0]] ?? `${known[1].charAt(0).toUpperCase()}${known[1].slice(1)}`;
}

const errorWords: Readonly<Record<string, string>> = {
  ENOENT: 'No such file or directory',
  EACCES: 'Permission denied',
  EISDIR: 'Is a directory',
  ENOTDIR: 'Not a directory',
};
