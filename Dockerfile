# docker build -t lbt-bench --build-arg TORCH_INDEX=URL .   URL: PyTorch's index of CPU or of CUDA wheels (pytorch.org,
#   Get Started), of 200 MB or several GB; without it, what PyPI has. With a GPU, run with --gpus all.
# docker run --rm -v "$PWD/results:/out/results" lbt-bench --methods gan,lbt --dataset ring
FROM python:3.11-slim
ARG TORCH_INDEX
# g++ compiles the kernels for the processor that the container runs on, git names the commit.
RUN apt-get update && apt-get install -y --no-install-recommends g++ git \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY requirements.txt pyproject.toml README.md LICENSE ./
RUN pip install --no-cache-dir ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} \
        $(grep -E '^torch(vision)?==' requirements.txt) \
    && pip install --no-cache-dir -r requirements.txt
COPY benchmark ./benchmark
COPY methods ./methods
COPY metrics ./metrics
RUN pip install --no-cache-dir --no-deps .
WORKDIR /out
ENTRYPOINT ["lbt-bench"]
