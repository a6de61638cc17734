import { adapterContract } from '../contract/adapterContract.js';
import { openPrisma } from '../contract/openPrisma.js';
import { usePostgres } from '../support/usePostgres.js';

adapterContract(await usePostgres(), openPrisma);
