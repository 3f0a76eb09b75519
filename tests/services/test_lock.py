import os
import subprocess
import sys
from pathlib import Path

import pytest

from dataops_defs.errors import Conflict
from dataops_defs.services.lock import home_lock, is_held


class TestTheLockOfAHome:
    def test_a_second_start_is_refused_with_the_pid_of_the_first(self, tmp_path: Path) -> None:
        refused = pytest.raises(Conflict, match=f"in use by process {os.getpid()}: stop")
        with home_lock(tmp_path), refused, home_lock(tmp_path):
            pass

    def test_the_holder_may_name_another(self, tmp_path: Path) -> None:
        with home_lock(tmp_path) as name:
            name("Dagster, started as process 17")
            with pytest.raises(Conflict, match="Dagster, started as process 17: stop"), home_lock(tmp_path):
                pass

    def test_it_is_free_again_when_the_holder_is_killed(self, tmp_path: Path) -> None:
        program = (
            "import sys, time; from pathlib import Path; from dataops_defs.services.lock import home_lock\n"
            "with home_lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(1000)"
        )
        with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE) as holder:
            assert holder.stdout is not None
            holder.stdout.readline()
            assert is_held(tmp_path)
            holder.kill()

        assert not is_held(tmp_path)
        with home_lock(tmp_path):
            pass
