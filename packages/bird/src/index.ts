export { parseConfig } from './config/parse-config.ts';
export type { ParsedConfig } from './config/parse-config.ts';
export { renderIssue, renderIssueHead } from './issue.ts';
export type { ConfigIssue, IssueCode } from './issue.ts';
export type { ConfigIo } from './lexer.ts';
export { Scope } from './scope.ts';
