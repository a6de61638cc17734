import { openPrisma } from '../contract/openPrisma.js';
import { openStockPrisma } from '../contract/openStock.js';
import { usePostgres } from '../support/usePostgres.js';
import { faultContract } from './contract/faultContract.js';

faultContract(await usePostgres({ maxConnections: 30 }), openPrisma, openStockPrisma, 'some');
