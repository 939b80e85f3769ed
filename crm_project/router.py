"""The routes of the API: no trailing slash, but one is accepted."""

from rest_framework.routers import SimpleRouter

from leads.exports import ExportViewSet
from leads.views import ContactViewSet, LeadViewSet, SourceViewSet
from operators.views import OperatorViewSet


class Router(SimpleRouter):
    """Routes whose slash at the end is optional."""

    def __init__(self) -> None:
        super().__init__()
        self.trailing_slash = "/?"


router = Router()
router.register("contacts", ContactViewSet, basename="contact")  # first, for it is called most
router.register("operators", OperatorViewSet, basename="operator")
router.register("sources", SourceViewSet, basename="source")
router.register("leads", LeadViewSet, basename="lead")
router.register("exports", ExportViewSet, basename="export")
