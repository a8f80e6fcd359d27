-- impala-connect -i 127.0.0.1,127.0.0.2,127.0.0.3 -f examples/flights.sql
SET MEM_LIMIT=1g;

DROP TABLE IF EXISTS punctual;
CREATE TABLE punctual AS
SELECT airline_id, count(*) AS flights
FROM flights WHERE delay_min <= 0 GROUP BY airline_id;

SELECT name, punctual.flights
FROM punctual JOIN airlines USING (airline_id)
ORDER BY punctual.flights DESC;
