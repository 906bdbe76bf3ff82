import asyncHooks, { type AsyncHook } from 'node:async_hooks';
import { syncBuiltinESMExports } from 'node:module';

/**
 * tap has each test load this first. tap follows every promise of a process, until it is collected as garbage, to know which test an error that
 * nobody caught belongs to: up to a third of a test's processor time. Without, such an error ends the process, as it does Umbra's own;
 * its stack says where it comes from, and the process has failed.
 */
const NONE: AsyncHook = {
  enable: () => NONE,
  disable: () => NONE,
};

asyncHooks.createHook = () => NONE;
syncBuiltinESMExports();
