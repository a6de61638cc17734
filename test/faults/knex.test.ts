import { openKnex } from '../contract/openKnex.js';
import { openStockKnex } from '../contract/openStock.js';
import { usePostgres } from '../support/usePostgres.js';
import { faultContract } from './contract/faultContract.js';

faultContract(await usePostgres({ maxConnections: 30 }), openKnex, openStockKnex, 'some');
