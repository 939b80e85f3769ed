"""What the pictures of the back office are taken of."""

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from PIL import Image

from crm_project.setup.children import BASE_DIR
from crm_project.testing.screenshots.camera import ACTS, COLOURS, FOR_DOCUMENTS, NARROW_PAGES, WIDE_PAGES, shrink
from crm_project.testing.screenshots.house import furnish

MOST_BYTES_IN_THE_DOCUMENTS = 150_000

ADDRESSES = sorted({*WIDE_PAGES.values(), *NARROW_PAGES.values(), *FOR_DOCUMENTS.values(), *(act[1] for act in ACTS)})


@pytest.mark.once
@pytest.mark.django_db
def test_every_page_of_the_pictures_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crm_project.testing.screenshots.house.CONTACTS", 60)
    house = furnish()
    client = Client()
    client.force_login(User.objects.get(username=house.administrator.name))

    statuses = {address: client.get(address.format(**house.ids)).status_code for address in ADDRESSES}

    assert statuses == dict.fromkeys(ADDRESSES, 200)


@pytest.mark.once
@pytest.mark.django_db
def test_the_operator_of_the_pictures_has_contacts_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crm_project.testing.screenshots.house.CONTACTS", 240)
    house = furnish()
    client = Client()
    client.force_login(User.objects.get(username=house.operator.name))

    assert client.get("/admin/my-contacts/").content.count(b"/close/") > 0


@pytest.mark.once
def test_a_picture_for_the_documents_keeps_its_size_with_few_colours(tmp_path: Path) -> None:
    path = tmp_path / "many.png"
    picture = Image.linear_gradient("L").convert("RGB")
    picture.putpixel((0, 0), (255, 0, 0))
    picture.save(path)

    shrink(path)

    with Image.open(path) as small:
        assert small.size == (256, 256)
        assert len(small.getcolors() or []) <= COLOURS


@pytest.mark.once
@pytest.mark.parametrize("name", FOR_DOCUMENTS)
def test_the_pictures_of_the_documents_are_there_and_small(name: str) -> None:
    path = BASE_DIR / "docs" / "images" / f"{name}.png"

    assert 0 < path.stat().st_size < MOST_BYTES_IN_THE_DOCUMENTS
    for readme in ("README.md", "README.ru.md"):
        assert f"docs/images/{name}.png" in (BASE_DIR / readme).read_text()
