import { openPool } from '../contract/openPool.js';
import { usePostgres } from '../support/usePostgres.js';
import { faultContract } from './contract/faultContract.js';

faultContract(await usePostgres({ maxConnections: 30 }), openPool, 'all');
