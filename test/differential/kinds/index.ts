import type { Kind } from '../script.js';
import { statements } from './statements.js';

export const KINDS: readonly Kind[] = [statements];
