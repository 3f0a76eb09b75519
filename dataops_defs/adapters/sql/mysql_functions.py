"""Built-in functions of MySQL and MariaDB that user SQL may call: those that only compute from their arguments.

An allow-list, as for PostgreSQL: what is missing here is refused by name, so a gap is an inconvenience, never a hole.
SLEEP, BENCHMARK, GET_LOCK, LOAD_FILE and functions that tell of users, servers and sequences are left out.
"""

_AGGREGATES = """
    any_value avg bit_and bit_or bit_xor count group_concat json_arrayagg json_objectagg max median min
    percentile_cont percentile_disc std stddev stddev_pop stddev_samp sum var_pop var_samp variance grouping
"""
_WINDOW = "cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank row_number"
_CHOICE = "coalesce elt field greatest if ifnull interval isnull least nullif nvl nvl2 decode_oracle"
_MATHS = """
    abs acos asin atan atan2 bit_count ceil ceiling conv cos cot crc32 crc32c degrees exp floor format ln log log10
    log2 mod oct pi pow power radians rand round sign sin sqrt tan truncate
"""
_TEXT = """
    ascii bin bit_length char char_length character_length chr compress concat concat_ws export_set find_in_set
    from_base64 hex insert instr lcase left length lengthb locate lower lpad ltrim make_set md5 mid natural_sort_key
    octet_length ord position quote regexp_instr regexp_like regexp_replace regexp_substr repeat replace reverse
    right rpad rtrim sformat sha sha1 sha2 soundex space strcmp substr substring substring_index to_base64 to_char
    trim ucase uncompress uncompressed_length unhex upper weight_string match cast convert collate charset coercibility
    collation
"""
_TIME = """
    add_months adddate addtime convert_tz curdate current_date current_time current_timestamp curtime date date_add
    date_format date_sub datediff day dayname dayofmonth dayofweek dayofyear extract from_days from_unixtime
    get_format hour last_day localtime localtimestamp makedate maketime microsecond minute month monthname now
    period_add period_diff quarter sec_to_time second str_to_date subdate subtime sysdate time time_format
    time_to_sec timediff timestamp timestampadd timestampdiff to_days to_seconds unix_timestamp utc_date utc_time
    utc_timestamp week weekday weekofyear year yearweek
"""
_JSON = """
    json_array json_array_append json_array_insert json_array_intersect json_compact json_contains json_contains_path
    json_depth json_detailed json_equals json_exists json_extract json_insert json_keys json_key_value json_length
    json_loose json_merge json_merge_patch json_merge_preserve json_normalize json_object json_object_filter_keys
    json_object_to_array json_overlaps json_pretty json_query json_quote json_remove json_replace json_schema_valid
    json_search json_set json_storage_size json_table json_type json_unquote json_valid json_value
"""
_NETWORK_IDS = """
    bin_to_uuid inet6_aton inet6_ntoa inet_aton inet_ntoa is_ipv4 is_ipv4_compat is_ipv4_mapped is_ipv6 is_uuid
    sys_guid uuid uuid_to_bin
"""
_SHAPES = """
    st_area st_asbinary st_asgeojson st_astext st_aswkb st_aswkt st_buffer st_centroid st_contains st_convexhull
    st_crosses st_difference st_dimension st_disjoint st_distance st_distance_sphere st_endpoint st_envelope
    st_equals st_exteriorring st_geohash st_geometryn st_geometrytype st_geomfromgeojson st_geomfromtext
    st_geomfromwkb st_interiorringn st_intersection st_intersects st_isclosed st_isempty st_issimple st_isvalid
    st_latitude st_length st_longitude st_numgeometries st_numinteriorrings st_numpoints st_overlaps st_pointfromtext
    st_pointn st_simplify st_srid st_startpoint st_symdifference st_touches st_transform st_union st_within st_x st_y
    point linestring polygon mbrcontains mbrwithin mbrintersects
"""

BUILT_IN = frozenset(
    name
    for group in (_AGGREGATES, _WINDOW, _CHOICE, _MATHS, _TEXT, _TIME, _JSON, _NETWORK_IDS, _SHAPES)
    for name in group.split()
)
