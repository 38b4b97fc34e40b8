"""Runs a recon job on Apache Spark, with the result that `recon run` gives on one machine.

>>> import recon_spark
>>> result = recon_spark.run(spark, "recon.yaml", orders, ledger, date="2026-01-15")
>>> result.summary["records"]["breaks"]
>>> result.differences.show()
>>> result.write("/results/2026-01-15")
"""

from recon_spark.errors import ReconError
from recon_spark.flow import files, run
from recon_spark.result import Result

__all__ = ["ReconError", "Result", "files", "run"]
__version__ = "0.1.0"
