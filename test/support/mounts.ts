import { spawnSync } from 'node:child_process';

const isRoot = process.getuid?.() === 0;

/**
 * The command line that runs a command with mounts of its own, which no other process sees, and which end with it. An ordinary
 * user becomes root of a user namespace for the mounts, and itself again for the command.
 *
 * @param mounts a shell script
 */
export function withMounts(mounts: string, command: readonly string[]): [string, string[]] {
  const itself = `unshare -U --map-user=${process.getuid?.()} --map-group=${process.getgid?.()}`;
  const script = `set -e\n${mounts}\nexec ${isRoot ? '' : itself} "$@"`;
  return ['unshare', [isRoot ? '-m' : '-Urm', 'sh', '-c', script, 'sh', ...command]];
}

/** Whether this machine allows mounts: `describe.skipIf(!mayMount())`. Prints so if it does not. */
export function mayMount(): boolean {
  const [command, args] = withMounts('mount -t tmpfs tmpfs /mnt', ['true']);
  const { status } = spawnSync(command, args, { stdio: 'ignore' });
  if (status === 0) return true;
  console.warn('Skipping the tests of folders that are full, read-only or noexec: this machine does not allow mounts.');
  return false;
}
