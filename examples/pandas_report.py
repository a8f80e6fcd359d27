"""
A report with pandas, on whatever coordinator is well.

IMPALA_HA_HOSTS=127.0.0.1,127.0.0.2,127.0.0.3 python examples/pandas_report.py
"""

import pandas as pd

QUESTION = """
SELECT name AS airline, count(*) AS flights, avg(delay_min) AS delay_min
FROM flights JOIN airlines USING (airline_id) GROUP BY name
"""

frame = pd.read_sql(QUESTION, "impala+ha://").set_index("airline").sort_values("delay_min")
print(frame.round(1).to_string())
