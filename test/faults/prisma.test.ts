import { openPrisma } from '../contract/openPrisma.js';
import { usePostgres } from '../support/usePostgres.js';
import { faultContract } from './contract/faultContract.js';

faultContract(await usePostgres({ maxConnections: 30 }), openPrisma, 'some');
