"""The plans that PostgreSQL keeps for our statements."""

from django.db import connection

from crm_project.statements import KeptText


def kept_plan(statement: KeptText, *values: str) -> str:
    """Return the plan of the statement for any values; these, as SQL, only fill the places of its arguments.

    Must be called in a transaction.
    """
    text, *rest = statement._text(connection).sql.split("%s")
    numbered = text + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute(f"PREPARE kept AS {numbered}")
        cursor.execute(f"EXPLAIN EXECUTE kept({', '.join(values)})")
        plan = " ".join(line for (line,) in cursor.fetchall())
        cursor.execute("DEALLOCATE kept")
    return plan
