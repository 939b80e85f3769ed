"""The addresses of the whole site."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from django.views.i18n import set_language

from crm_project.admin.my_contacts import first_page
from crm_project.documents import DocsView, SchemaView
from crm_project.languages import in_offered_language
from crm_project.router import router

admin.autodiscover()

urlpatterns = [
    path("api/", include(router.urls)),  # first, for it is called most
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/start/", include("crm_project.admin.start")),
    path("admin/", include("leads.admin.pages")),
    path("admin/", admin.site.admin_view(first_page)),
    path("admin/", admin.site.urls),
    path("i18n/setlang/", in_offered_language(set_language), name="set_language"),
    re_path(r"^api/schema/?$", in_offered_language(SchemaView.as_view()), name="schema"),
    re_path(r"^docs/?$", in_offered_language(DocsView.as_view()), name="docs"),
]

handler400 = "crm_project.error_pages.bad_request"
handler403 = "crm_project.error_pages.permission_denied"
handler404 = "crm_project.error_pages.not_found"
handler500 = "crm_project.error_pages.server_error"
