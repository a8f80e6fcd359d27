"""
Impala's functions that DuckDB lacks or does otherwise, as DuckDB macros.

A macro has the Impala name with ``impala_`` before it; some are only there for other macros.
What depends on the types of the arguments is not here but in `functions`.
"""

from __future__ import annotations

# Impala takes strings for timestamps everywhere and makes NULL of what is none.
_TIME = """
moment(t) AS TRY_CAST(t AS TIMESTAMP)
text(t) AS replace(strftime(t, '%Y-%m-%d %H:%M:%S.%n'), '.000000000', '')
clock() AS CAST(now() AS TIMESTAMP)
now() AS impala_clock()
current_timestamp() AS impala_clock()
utc_timestamp() AS impala_clock()
timeofday() AS strftime(impala_clock(), '%a %b %d %H:%M:%S %Y UTC')
current_date() AS current_date
year(t) AS CAST(year(impala_moment(t)) AS INTEGER)
quarter(t) AS CAST(quarter(impala_moment(t)) AS INTEGER)
month(t) AS CAST(month(impala_moment(t)) AS INTEGER)
week(t) AS CAST(week(impala_moment(t)) AS INTEGER)
weekofyear(t) AS CAST(week(impala_moment(t)) AS INTEGER)
day(t) AS CAST(day(impala_moment(t)) AS INTEGER)
dayofmonth(t) AS CAST(day(impala_moment(t)) AS INTEGER)
dayofweek(t) AS CAST(dayofweek(impala_moment(t)) + 1 AS INTEGER)
dayofyear(t) AS CAST(dayofyear(impala_moment(t)) AS INTEGER)
hour(t) AS CAST(hour(impala_moment(t)) AS INTEGER)
minute(t) AS CAST(minute(impala_moment(t)) AS INTEGER)
second(t) AS CAST(second(impala_moment(t)) AS INTEGER)
millisecond(t) AS CAST(millisecond(impala_moment(t)) % 1000 AS INTEGER)
dayname(t) AS dayname(impala_moment(t))
monthname(t) AS monthname(impala_moment(t))
to_date(t) AS strftime(impala_moment(t), '%Y-%m-%d')
datediff(a, b) AS CAST(CAST(impala_moment(a) AS DATE) - CAST(impala_moment(b) AS DATE) AS INTEGER)
date_cmp(a, b) AS CAST(sign(CAST(a AS DATE) - CAST(b AS DATE)) AS INTEGER)
timestamp_cmp(a, b) AS CASE WHEN impala_moment(a) > impala_moment(b) THEN 1 WHEN
  impala_moment(a) < impala_moment(b) THEN -1 WHEN impala_moment(a) = impala_moment(b) THEN 0 END
int_months_between(a, b) AS CAST(datesub('month', impala_moment(b), impala_moment(a)) AS INTEGER)
months_between(a, b) AS CASE WHEN day(impala_moment(a)) = day(impala_moment(b)) OR
  (last_day(impala_moment(a)) = CAST(impala_moment(a) AS DATE) AND last_day(impala_moment(b)) =
  CAST(impala_moment(b) AS DATE)) THEN CAST(datediff('month', impala_moment(b), impala_moment(a))
  AS DOUBLE) ELSE datediff('month', impala_moment(b), impala_moment(a)) + (day(impala_moment(a)) -
  day(impala_moment(b))) / 31.0 END
next_day(t, d) AS CAST(CAST(impala_moment(t) AS DATE) + CAST((list_position(['su', 'mo', 'tu',
  'we', 'th', 'fr', 'sa'], lower(left(d, 2))) - 1 - dayofweek(impala_moment(t)) + 6) % 7 + 1 AS
  INTEGER) AS TIMESTAMP)
part(u, t) AS CAST(CASE lower(u) WHEN 'epoch' THEN floor(epoch(impala_moment(t))) WHEN
  'millisecond' THEN millisecond(impala_moment(t)) % 1000 ELSE date_part(lower(u),
  impala_moment(t)) END AS BIGINT)
date_part(u, t) AS impala_part(u, t)
unix_timestamp() AS CAST(floor(epoch(impala_clock())) AS BIGINT), (t) AS
  CAST(floor(epoch(impala_moment(t))) AS BIGINT)
from_unixtime(n) AS strftime(make_timestamp(CAST(n AS BIGINT) * 1000000), '%Y-%m-%d %H:%M:%S')
to_timestamp(n) AS make_timestamp(CAST(n AS BIGINT) * 1000000)
unix_micros_to_utc_timestamp(n) AS make_timestamp(CAST(n AS BIGINT))
utc_to_unix_micros(t) AS epoch_us(impala_moment(t))
from_utc_timestamp(t, z) AS timezone(z, timezone('UTC', impala_moment(t)))
to_utc_timestamp(t, z) AS timezone('UTC', timezone(z, impala_moment(t)))
"""
_STRINGS = """
padded(s, n) AS rpad(s, CAST(n - (strlen(s) - length(s)) AS INTEGER), ' ')
length(s) AS CAST(strlen(CAST(s AS VARCHAR)) AS INTEGER)
bytes(s) AS CAST(strlen(CAST(s AS VARCHAR)) AS INTEGER)
char_length(s) AS CAST(length(CAST(s AS VARCHAR)) AS INTEGER)
character_length(s) AS CAST(length(CAST(s AS VARCHAR)) AS INTEGER)
utf8_length(s) AS CAST(length(s) AS INTEGER)
substr(s, p) AS CASE WHEN p = 0 THEN '' ELSE substr(CAST(s AS VARCHAR), p) END, (s, p, n) AS
  CASE WHEN p = 0 OR n <= 0 THEN '' ELSE substr(CAST(s AS VARCHAR), p, n) END
substring(s, p) AS impala_substr(s, p), (s, p, n) AS impala_substr(s, p, n)
strleft(s, n) AS left(s, CAST(n AS INTEGER))
strright(s, n) AS right(s, CAST(n AS INTEGER))
space(n) AS repeat(' ', n)
initcap(s) AS array_to_string([upper(left(w, 1)) || substr(w, 2) for w in string_split(lower(s),
  ' ')], ' ')
instr(s, x) AS CAST(instr(s, x) AS INTEGER), (s, x, p) AS CAST(CASE WHEN instr(substr(s, p), x)
  = 0 THEN 0 ELSE instr(substr(s, p), x) + p - 1 END AS INTEGER)
locate(x, s) AS CAST(instr(s, x) AS INTEGER), (x, s, p) AS impala_instr(s, x, p)
find_in_set(x, s) AS CAST(coalesce(list_position(string_split(s, ','), x), 0) AS INTEGER)
split_part(s, d, n) AS split_part(s, d, n)
btrim(s) AS trim(s), (s, c) AS trim(s, c)
regexp_replace(s, p, r) AS regexp_replace(s, p, r, 'g')
regexp_extract(s, p, n) AS regexp_extract(s, p, n)
regexp_escape(s) AS regexp_escape(s)
base64encode(s) AS base64(CAST(s AS BLOB))
base64decode(s) AS decode(from_base64(s))
hex(x) AS hex(x)
unhex(s) AS unhex(s)
sha1(s) AS sha1(s)
sha2(s, n) AS CASE WHEN n = 256 THEN sha256(s) END
get_json_object(s, p) AS json_extract_string(TRY_CAST(s AS JSON), p)
levenshtein(a, b) AS CAST(levenshtein(a, b) AS INTEGER)
le_dst(a, b) AS CAST(levenshtein(a, b) AS INTEGER)
damerau_levenshtein(a, b) AS CAST(damerau_levenshtein(a, b) AS INTEGER)
dle_dst(a, b) AS CAST(damerau_levenshtein(a, b) AS INTEGER)
jaro_similarity(a, b) AS jaro_similarity(a, b)
jaro_sim(a, b) AS jaro_similarity(a, b)
jaro_distance(a, b) AS 1 - jaro_similarity(a, b)
jaro_winkler_similarity(a, b) AS jaro_winkler_similarity(a, b)
jw_sim(a, b) AS jaro_winkler_similarity(a, b)
starts_with(s, x) AS starts_with(s, x)
ends_with(s, x) AS ends_with(s, x)
uuid() AS CAST(uuid() AS VARCHAR)
"""
_NUMBERS = """
e() AS exp(1.0)
log(b, x) AS ln(x) / ln(b)
mod(a, b) AS a % b
fmod(a, b) AS fmod(a, b)
pmod(a, b) AS ((a % b) + b) % b
quotient(a, b) AS CAST(a AS BIGINT) // CAST(b AS BIGINT)
factorial(n) AS CAST(factorial(CAST(n AS INTEGER)) AS BIGINT)
negative(x) AS -x
positive(x) AS x
bin(n) AS bin(n)
is_nan(x) AS isnan(CAST(x AS DOUBLE))
is_inf(x) AS isinf(CAST(x AS DOUBLE))
rand() AS random(), (seed) AS random()
random() AS random(), (seed) AS random()
bitand(a, b) AS a & b
bitor(a, b) AS a | b
bitxor(a, b) AS xor(a, b)
bitnot(a) AS ~a
shiftleft(a, n) AS a << n
shiftright(a, n) AS a >> n
countset(a) AS CAST(bit_count(a) AS INTEGER)
getbit(a, n) AS (a >> n) & 1
max_tinyint() AS CAST(127 AS TINYINT)
max_smallint() AS CAST(32767 AS SMALLINT)
max_int() AS 2147483647
max_bigint() AS 9223372036854775807
min_tinyint() AS CAST(-128 AS TINYINT)
min_smallint() AS CAST(-32768 AS SMALLINT)
min_int() AS CAST(-2147483648 AS INTEGER)
min_bigint() AS CAST(-9223372036854775808 AS BIGINT)
precision(x) AS CAST(regexp_extract(typeof(x), '(\\d+),', 1) AS INTEGER)
scale(x) AS CAST(regexp_extract(typeof(x), ',(\\d+)', 1) AS INTEGER)
"""
_CONDITIONS = """
zeroifnull(x) AS coalesce(x, 0)
nullifzero(x) AS nullif(x, 0)
nvl2(x, a, b) AS CASE WHEN x IS NOT NULL THEN a ELSE b END
isnotnull(x) AS x IS NOT NULL
nonnullvalue(x) AS x IS NOT NULL
nullvalue(x) AS x IS NULL
istrue(x) AS coalesce(x, false)
isfalse(x) AS NOT coalesce(x, true)
isnottrue(x) AS NOT coalesce(x, false)
isnotfalse(x) AS coalesce(x, true)
"""
# An indented line goes on where the line before it ends.
_LINES = tuple(
    line
    for text in (_TIME, _STRINGS, _NUMBERS, _CONDITIONS)
    for line in text.strip().replace("\n  ", " ").splitlines()
)
MACROS: tuple[str, ...] = tuple(f"impala_{line}" for line in _LINES)
_INNER = frozenset(("moment", "text", "clock", "padded", "part"))
MACRO_NAMES = frozenset(line.split("(", 1)[0] for line in _LINES) - _INNER
