import httpx

from crm_project.testing.server import StartServer


def test_what_was_answered_is_there_after_the_server_was_killed_and_started_again(server: StartServer) -> None:
    running = server()
    made = httpx.post(f"{running.base_url}/api/operators", json={"name": "Иван"}).json()

    running.kill()
    running.start()

    assert httpx.get(f"{running.base_url}/api/operators/{made['id']}").json() == made
    assert running.rows("SELECT name FROM operators_operator") == [("Иван",)]


def test_each_server_has_a_database_of_its_own(server: StartServer) -> None:
    one, other = server(), server()

    httpx.post(f"{one.base_url}/api/operators", json={"name": "Иван"})

    assert httpx.get(f"{other.base_url}/api/operators").json()["count"] == 0


def test_the_environment_can_be_chosen(server: StartServer) -> None:
    closed = server(OPEN_API="0")

    assert httpx.get(f"{closed.base_url}/api/operators").status_code == 401
