import type { PoolWarning } from '../../pool/events.js';
import { differences, type Identity, NAME } from './identity.js';
import type { Fingerprint, Listing, Registry } from './registry.js';

/** The news that a pool, made elsewhere in the app, is the one that was there; told once for each pool. */
export function sharedWith(listing: Listing, identity: Identity, site: string | undefined): PoolWarning | undefined {
  const isSameSite = site !== undefined && site === listing.site;
  if (listing.told || isSameSite) return undefined;
  listing.told = true;
  const message =
    `A second pool for ${targetOf(identity)} was made, with the settings of the first. They are one pool from now on; ` +
    `CONN_SHARE=false would keep them apart. ${sites(listing.site, site)}`;
  return { code: 'TENURE_SHARED', message };
}

/** The news that two pools might have been one; told once for each target and set of differences. */
export function notSharedWith(
  fingerprint: Fingerprint,
  identity: Identity,
  site: string | undefined,
  { listings, told }: Registry,
): PoolWarning | undefined {
  const similar = [...listings.values()]
    .filter((listing) => listing.pool.deref() !== undefined && listing.fingerprint.target === fingerprint.target)
    .map((listing) => ({ listing, differing: differences(listing.fingerprint, fingerprint) }))
    .filter(({ differing }) => !differing.includes(NAME))
    .sort((one, other) => one.differing.length - other.differing.length);
  const closest = similar[0];
  if (closest === undefined) return undefined;
  const names = closest.differing.join(', ');
  const pair = `${fingerprint.target} ${names} ${site} ${closest.listing.site}`;
  if (told.has(pair)) return undefined;
  told.add(pair);
  const message =
    `Two pools for ${targetOf(identity)} are not shared, since they differ in ${names}. Give one of them a name if that is ` +
    `meant. ${sites(closest.listing.site, site)}`;
  return { code: 'TENURE_NOT_SHARED', message };
}

/** Without the password. */
function targetOf({ target: { user, host, port, database } }: Identity): string {
  if (host === undefined) return 'the same settings';
  const place = `${host}:${port}${database === undefined ? '' : `/${database}`}`;
  return user === undefined ? place : `${user}@${place}`;
}

function sites(first: string | undefined, second: string | undefined): string {
  return first === undefined || second === undefined
    ? 'With CONN_LEAK_THRESHOLD set, this says where they were made.'
    : `The first was made\n${first}\nand the second\n${second}`;
}
