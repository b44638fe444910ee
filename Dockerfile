# docker build -t lbt-bench .                          CPU: PyTorch's wheels of about 200 MB
# docker build -t lbt-bench --build-arg TORCH=cu128 .  CUDA: wheels of several GB; run with --gpus all
# docker run --rm -v "$PWD/results:/work/results" lbt-bench --methods gan,lbt --dataset ring
FROM python:3.11-slim
ARG TORCH=cpu
# g++ compiles the kernels for the processor that the container runs on, git names the commit.
RUN apt-get update && apt-get install -y --no-install-recommends g++ git \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY requirements.txt pyproject.toml README.md LICENSE ./
RUN pip install --no-cache-dir --index-url https://download.pytorch.org/whl/${TORCH} \
        $(grep -E '^torch(vision)?==' requirements.txt) \
    && pip install --no-cache-dir -r requirements.txt
COPY benchmark ./benchmark
COPY methods ./methods
COPY metrics ./metrics
RUN pip install --no-cache-dir --no-deps .
WORKDIR /work
ENTRYPOINT ["lbt-bench"]
