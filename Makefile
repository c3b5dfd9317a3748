# Needs Python >= 3.11 and make. Everything is installed into .venv, at the versions of constraints.txt.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
COLAB := .venv-colab
# No wait of these tests is longer than minutes; should a browser hang all the same, pytest ends after a quarter of an hour.
# JupyterLab in one process, Notebook 7 in another: each has waits that the other one fills.
BROWSER_TESTS = OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadscope \
	-p no:nbval --override-ini addopts=-ra --durations=10 \
	--override-ini faulthandler_timeout=900 --override-ini faulthandler_exit_on_timeout=true
# The later notebooks train and take longest: begun last, they would run on alone.
LONGEST_FIRST = --no-loadscope-reorder $$(ls -r notebooks/*.ipynb)
# JupyterLab refuses to run as root, which is who one is in a container, unless it is told.
AS_ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)
# pip would compile the 21,000 files that it installs on one core. What is written for a later Python is left as it is.
PIP_INSTALL = $(BIN)/python -m pip install --no-compile --constraint constraints.txt --editable
COMPILE = @$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true

.DEFAULT_GOAL := help
.PHONY: help demo lab docs test test-browser test-colab notebooks bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/installed-core ## write outputs/demo.mp4 and outputs/demo.png with the tiny model
	$(BIN)/ltx-nb demo --out outputs/demo.mp4

lab: $(VENV)/installed-lab ## open JupyterLab on the first notebook
	$(BIN)/jupyter lab $(AS_ROOT) notebooks/01_first_clip.ipynb

docs: $(VENV)/installed-test ## build the site into outputs/site: the course, a gallery, guides, the API
	OMP_NUM_THREADS=2 $(BIN)/python docs/site/build.py --try

test: $(VENV)/installed-test ## lint, type check, run every test and every notebook; gets a Chromium if there is none
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python tests/browser/chromium.py
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(LONGEST_FIRST)
	$(BROWSER_TESTS) tests/browser

test-browser: $(VENV)/installed-test ## of these tests, those that drive the widgets in JupyterLab and Notebook 7
	$(BIN)/python tests/browser/chromium.py
	$(BROWSER_TESTS) tests/browser

test-colab: $(COLAB)/installed $(VENV)/installed-test ## run the widgets and a notebook on Colab's older Jupyter stack
	OMP_NUM_THREADS=1 $(COLAB)/bin/python -m pytest --numprocesses 2 --dist loadfile --override-ini addopts=-ra \
		--nbval-lax --nbval-current-env --nbval-cell-timeout=120 \
		tests/colab_stack.py tests/test_widget_*.py notebooks/01_first_clip.ipynb

notebooks: $(VENV)/installed-test ## run every notebook again and store its outputs, normalised
	$(BIN)/python notebooks/execute.py

bench: $(VENV)/installed-core ## measure what a Session costs over bare diffusers
	$(BIN)/python benchmarks/overhead.py

clean: ## remove the environments and caches, not outputs/
	rm -rf $(VENV) $(COLAB) .mypy_cache .pytest_cache .ruff_cache .hypothesis

# A stamp stands for one finished installation, and is made anew when either list of packages changes.
# One pip command resolves all of it, so that no package can bring in another torch than the constraints name.
# Said here, since the pip of an older Python names only a package that it finds no version of.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; found = sys.version.split()[0]; sys.exit(sys.version_info < (3, 11) and \
		"ltx-nb needs Python 3.11 or later, $(PYTHON) is " + found + "; nearest: make PYTHON=python3.12 $(MAKECMDGOALS)")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed-core: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) .
	$(COMPILE)
	@touch $@

$(VENV)/installed-lab: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) ".[lab]"
	$(COMPILE)
	@touch $@

$(VENV)/installed-test: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) ".[docs,lab,test]"
	$(COMPILE)
	@touch $@

# Colab's Jupyter packages alone; torch and all others are those of $(VENV), which come after its own on the path.
$(COLAB)/installed: constraints-colab.txt $(VENV)/installed-test
	rm -rf $(COLAB)
	$(BIN)/python -m venv $(COLAB)
	$(COLAB)/bin/python -m pip install --no-deps --requirement constraints-colab.txt
	$(BIN)/python -c "import sysconfig; print('import site; site.addsitedir(%r)' % sysconfig.get_path('purelib'))" \
		> "$$($(COLAB)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/after.pth"
	@touch $@
