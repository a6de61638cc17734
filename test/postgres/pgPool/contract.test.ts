import { adapterContract } from '../../contract/adapterContract.js';
import { openPool } from '../../contract/openPool.js';
import { usePostgres } from '../../support/usePostgres.js';

adapterContract(await usePostgres(), openPool);
