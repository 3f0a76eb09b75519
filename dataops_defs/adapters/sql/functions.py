"""Built-in PostgreSQL functions that user SQL may call: those that only compute from their arguments.

An allow-list, because PostgreSQL has more than a hundred functions that write, wait, lock, read files or run text as
SQL (SAFETY, section 4). What is missing here is refused by name, so a gap is an inconvenience, never a hole.
"""

_AGGREGATES = """
    any_value array_agg avg bit_and bit_or bit_xor bool_and bool_or corr count covar_pop covar_samp every
    json_agg json_agg_strict json_object_agg jsonb_agg jsonb_agg_strict jsonb_object_agg max min mode
    percentile_cont percentile_disc range_agg range_intersect_agg
    regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy
    stddev stddev_pop stddev_samp string_agg sum var_pop var_samp variance
"""
_WINDOW = "cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank row_number"
_MATHS = """
    abs acos acosd asin asind atan atan2 atan2d atand cbrt ceil ceiling cos cosd cosh cot cotd degrees div erf erfc
    exp factorial floor gamma gcd lcm lgamma ln log log10 min_scale mod pi power pow radians random round scale sign
    sin sind sinh sqrt tan tand tanh trim_scale trunc width_bucket numeric_inc float4 float8 int2 int4 int8 numeric
"""
_TEXT = """
    ascii bit_count bit_length btrim casefold char_length character_length chr concat concat_ws convert convert_from
    convert_to crc32 crc32c decode encode format get_bit get_byte initcap is_normalized left length like_escape lower
    lpad ltrim md5 normalize notlike octet_length overlay parse_ident position quote_ident quote_literal
    quote_nullable regexp_count regexp_instr regexp_like regexp_match regexp_matches regexp_replace
    regexp_split_to_array regexp_split_to_table regexp_substr repeat replace reverse right rpad rtrim set_bit
    set_byte sha224 sha256 sha384 sha512 similar_escape similar_to_escape split_part starts_with string_to_array
    string_to_table strpos substr substring text to_ascii to_bin to_hex to_oct translate unicode_assigned unistr
    upper varchar
"""
_TIME = """
    age clock_timestamp date date_add date_bin date_part date_subtract date_trunc extract isfinite justify_days
    justify_hours justify_interval make_date make_interval make_time make_timestamp make_timestamptz now overlaps
    statement_timestamp timeofday timestamp timestamptz timezone to_char to_date to_number to_timestamp
    transaction_timestamp
"""
_JSON = """
    array_to_json json_array_elements json_array_elements_text json_array_length json_build_array
    json_build_object json_each json_each_text json_extract_path json_extract_path_text json_object
    json_object_keys json_scalar json_strip_nulls json_to_record json_to_recordset json_typeof
    jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object
    jsonb_each jsonb_each_text jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object
    jsonb_object_keys jsonb_path_exists jsonb_path_match jsonb_path_query jsonb_path_query_array
    jsonb_path_query_first jsonb_pretty jsonb_set jsonb_set_lax jsonb_strip_nulls jsonb_to_record
    jsonb_to_recordset jsonb_typeof row_to_json to_json to_jsonb
"""
_ARRAYS_RANGES_SETS = """
    array_append array_cat array_dims array_fill array_length array_lower array_ndims array_position
    array_positions array_prepend array_remove array_replace array_reverse array_sample array_shuffle array_sort
    array_to_string array_upper cardinality generate_series generate_subscripts trim_array unnest
    daterange int4range int8range isempty lower_inc lower_inf multirange numrange range_merge tsrange tstzrange
    upper_inc upper_inf grouping num_nonnulls num_nulls gen_random_uuid uuidv4 uuidv7 uuid_extract_timestamp
    uuid_extract_version
"""
_NETWORK_SEARCH_SHAPES = """
    abbrev broadcast family host hostmask inet_merge inet_same_family masklen netmask network set_masklen
    plainto_tsquery phraseto_tsquery websearch_to_tsquery to_tsquery to_tsvector ts_headline ts_rank ts_rank_cd
    tsvector_to_array setweight strip numnode querytree similarity word_similarity
    area box center circle diagonal diameter height isclosed isopen line lseg npoints path point polygon radius width
"""

BUILT_IN = frozenset(
    name
    for group in (
        _AGGREGATES,
        _WINDOW,
        _MATHS,
        _TEXT,
        _TIME,
        _JSON,
        _ARRAYS_RANGES_SETS,
        _NETWORK_SEARCH_SHAPES,
    )
    for name in group.split()
)
