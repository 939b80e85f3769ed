"""The column that no ordinary save can overwrite."""

from typing import Any

from django.db import models
from django.db.models.expressions import Combinable


class LoadField(models.PositiveIntegerField):
    """A counter that `Model.save()` leaves as the database has it.

    An admin form, a PATCH, an import or a revert saves a whole row that it read some time ago; with an ordinary
    field it would put back the load of that time. Here a new row starts at 0 and every later save sets the column
    to itself. The counter moves only by `QuerySet.update()`, in `distribution.ledger`.
    """

    def pre_save(self, model_instance: models.Model, add: bool) -> int | Combinable:
        """Return what a save writes: 0 for a new row, else the column's own present value."""
        return 0 if add else models.F(self.attname)

    def formfield(self, *args: Any, **kwargs: Any) -> None:
        """Offer no form field: nobody types a load."""
        return
