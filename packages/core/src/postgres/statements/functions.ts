/*
 * Functions by their effects. A name that is in no list may be the app's own: it may write, change the session, or be declared
 * immutable although it is not, and a prepared plan would then keep its first result.
 */

/** The words of a text as a set. */
export const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/** Functions that only read, including those of common extensions. */
export const READING = words(`
  abs acos asin atan atan2 cbrt ceil ceiling cos cot degrees div exp factorial floor gcd lcm ln log log10 mod pi power radians random round
  scale sign sin sqrt tan trim_scale trunc width_bucket min_scale
  ascii bit_length btrim char_length character_length chr concat concat_ws decode encode format initcap left length lower lpad ltrim md5
  normalize octet_length overlay parse_ident position quote_ident quote_literal quote_nullable regexp_count regexp_instr regexp_like
  regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr repeat replace reverse right rpad
  rtrim sha224 sha256 sha384 sha512 split_part starts_with string_to_array string_to_table strpos substr substring to_hex translate trim
  upper casefold
  age clock_timestamp date_bin date_part date_trunc extract isfinite justify_days justify_hours justify_interval make_date make_interval
  make_time make_timestamp make_timestamptz now statement_timestamp timeofday timezone to_char to_date to_number to_timestamp
  transaction_timestamp
  array_agg array_append array_cat array_dims array_fill array_length array_lower array_ndims array_position array_positions array_prepend
  array_remove array_replace array_sample array_shuffle array_to_json array_to_string array_to_tsvector array_upper cardinality trim_array
  unnest generate_series generate_subscripts
  avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop covar_samp cume_dist dense_rank every first_value grouping lag last_value
  lead max min mode nth_value ntile percent_rank percentile_cont percentile_disc rank regr_avgx regr_avgy regr_count regr_intercept regr_r2
  regr_slope row_number stddev stddev_pop stddev_samp string_agg sum var_pop var_samp variance any_value range_agg range_intersect_agg
  json_agg json_array_elements json_array_elements_text json_array_length json_build_array json_build_object json_each json_each_text
  json_extract_path json_extract_path_text json_object json_object_agg json_object_keys json_populate_record json_populate_recordset
  json_strip_nulls json_to_record json_to_recordset json_typeof jsonb_agg jsonb_array_elements jsonb_array_elements_text
  jsonb_array_length jsonb_build_array jsonb_build_object jsonb_each jsonb_each_text jsonb_extract_path jsonb_extract_path_text
  jsonb_insert jsonb_object jsonb_object_agg jsonb_object_keys jsonb_path_exists jsonb_path_match jsonb_path_query jsonb_path_query_array
  jsonb_path_query_first jsonb_populate_record jsonb_populate_recordset jsonb_pretty jsonb_set jsonb_set_lax jsonb_strip_nulls
  jsonb_to_record jsonb_to_recordset jsonb_typeof row_to_json to_json to_jsonb
  int4range int8range numrange daterange tsrange tstzrange isempty lower_inc lower_inf upper_inc upper_inf range_merge multirange
  plainto_tsquery phraseto_tsquery websearch_to_tsquery to_tsquery to_tsvector setweight strip ts_headline ts_rank ts_rank_cd numnode querytree
  coalesce nullif greatest least cast row exists array num_nonnulls num_nulls gen_random_uuid uuidv4 uuidv7
  broadcast family host hostmask masklen netmask network set_masklen abbrev
  current_database current_schema current_schemas current_setting current_user session_user current_timestamp current_time current_date
  localtime localtimestamp inet_client_addr inet_server_addr pg_backend_pid pg_postmaster_start_time version pg_is_in_recovery
  col_description obj_description shobj_description format_type has_table_privilege has_schema_privilege has_column_privilege pg_get_constraintdef
  pg_get_expr pg_get_functiondef pg_get_indexdef pg_get_serial_sequence pg_get_viewdef pg_column_size pg_database_size pg_relation_size
  pg_size_pretty pg_table_is_visible pg_table_size pg_total_relation_size pg_typeof to_regclass to_regproc to_regtype txid_current
  pg_current_xact_id pg_sleep pg_sleep_for
  similarity word_similarity strict_word_similarity show_trgm unaccent digest hmac crypt levenshtein soundex metaphone dmetaphone
  uuid_generate_v1 uuid_generate_v1mc uuid_generate_v4 cosine_distance l2_distance inner_product
`);

/** Functions that do more than read, but do not change the meaning of later queries. */
export const HARMLESS = words(`
  nextval setval currval lastval pg_notify pg_advisory_lock pg_advisory_lock_shared pg_advisory_xact_lock pg_advisory_xact_lock_shared
  pg_try_advisory_lock pg_try_advisory_lock_shared pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared pg_advisory_unlock
  pg_advisory_unlock_shared pg_advisory_unlock_all pg_cancel_backend pg_terminate_backend pg_stat_reset setseed gen_salt
`);

/** The prefix of PostGIS's hundreds of functions. */
export const READING_PREFIX = /^st_/;

/** Keywords that may precede a parenthesis without a call of a function. */
export const NO_CALL = words(`
  select from where and or not in any all some between like ilike similar is on using when then else case end as over filter within
  group by having order limit offset fetch union intersect except distinct values returning set default check key conflict with
  materialized lateral rollup cube sets partition range rows groups exclude interval numeric decimal dec varchar char character varying nchar
  bit float time timestamp timestamptz timetz vector halfvec geometry geography ordinality include into only table columns escape to
  isnull notnull collate zone do nothing update insert delete first last next nulls asc desc symmetric asymmetric window variadic explain
  text int integer bigint smallint boolean bool real double precision date jsonb json uuid copy analyze vacuum
`);

/**
 * Types whose values another type would read alike, or refuse. A statement keeps the types that its parameters had when it was
 * prepared. If a column has changed since, PostgreSQL converts without an error: a parameter that was a `date` loses its time
 * when it is compared with a `timestamptz`, and one that was `numeric` is compared when an `int` would have been refused. With
 * the types below such a comparison has no operator, which is an error, and the query runs again. The schema check finds the
 * other changes.
 */
const LOSSLESS: readonly number[] = [
  ...[16, 1000], // boolean
  ...[17, 1001], // bytea
  ...[20, 1016, 21, 1005, 23, 1007], // bigint, smallint, int
  ...[25, 1009, 1043, 1015], // text, varchar
  ...[114, 199, 3802, 3807], // json, jsonb
  ...[2950, 2951], // uuid
];

/** Whether a statement with parameters of these types may be prepared. */
export function areLossless(types: readonly number[]): boolean {
  return types.every((type) => LOSSLESS.includes(type));
}
