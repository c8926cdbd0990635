from saelake.store.service.begun import ending


def test_how_a_process_ended_is_said_in_words() -> None:
    assert ending(3) == "exit code 3"
    assert ending(-9) == "SIGKILL, as when memory runs out"
    assert ending(-11) == "SIGSEGV"
