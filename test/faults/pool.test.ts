import { openPool } from '../contract/openPool.js';
import { openStockPool } from '../contract/openStock.js';
import { usePostgres } from '../support/usePostgres.js';
import { faultContract } from './contract/faultContract.js';

faultContract(await usePostgres({ maxConnections: 30 }), openPool, openStockPool, 'all');
